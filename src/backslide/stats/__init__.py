"""Pure functions on arrays. They know nothing of checks, columns or reports."""
