"""The tables that are read: predictions, labels, baselines, and the readers that turn them into rows.

Nothing is computed from rows and nothing is written here.
"""
