"""How numbers and names are written, and what is safe to show."""
