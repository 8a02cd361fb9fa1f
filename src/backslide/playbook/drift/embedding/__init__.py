"""Drift of embeddings."""
