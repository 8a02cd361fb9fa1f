"""The jobs, one file each, side by side: settings, then windows, then models, then the answer."""
