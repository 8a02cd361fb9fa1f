"""Drift of columns: one at a time, two by two, and all together."""
