"""Parting a change into shifts of inputs, labels and relations, with and without labels."""
