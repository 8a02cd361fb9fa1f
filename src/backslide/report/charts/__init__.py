"""Charts, drawn from evidence values alone."""
