"""The serving stack: taken down as a snapshot, compared with another, and guarded in production."""
