"""The fitted steps before the model: which of them was fitted again, exchanged or reordered."""
