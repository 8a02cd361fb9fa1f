"""``backslide serve``: incidents, one time axis, and a place where predictions go. Everything here needs the extra ``server``."""
