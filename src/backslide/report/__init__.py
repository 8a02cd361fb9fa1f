"""From a stored diagnosis to text, Markdown and a self-contained page. Knows the contracts and nothing else."""
