"""Drift of numbers, categories, dates and scores."""
