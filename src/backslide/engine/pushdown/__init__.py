"""Profiles counted where the rows are: SQL that a warehouse runs, and one file for each dialect."""
