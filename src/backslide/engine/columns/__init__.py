"""Columns of a window: their kinds, their pairing, bounded samples, segments and design matrices."""
