"""What each answer says, as values that every renderer reads."""
