"""Profiles of a window in one bounded pass: plans, tallies and sums that add up."""
