"""Which column is what: roles inferred, checked and brought into one unit."""
