"""Drift of running text."""
