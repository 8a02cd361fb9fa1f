"""Metrics of classifiers and regressors, row by row where they allow it."""
