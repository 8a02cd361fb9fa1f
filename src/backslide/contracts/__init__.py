"""The words everybody shares: frozen, JSON-safe values without numpy, Polars or pandas."""
