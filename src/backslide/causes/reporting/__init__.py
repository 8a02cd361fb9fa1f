"""Causes as sentences and published values: wording, onset and timing."""
