"""Numbers of running text and of embeddings."""
