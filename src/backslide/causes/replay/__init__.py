"""Causes found by asking the saved model, or an older one, again: model, threshold, roll-out, output and preprocessing."""
