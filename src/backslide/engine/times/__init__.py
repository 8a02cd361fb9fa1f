"""Times as people write them, read as one clock."""
