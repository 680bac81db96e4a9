"""Estimation: what metrics are to be expected before labels come, from calibrated scores and the baseline's errors.

States in, rows with intervals and their assumption out. No Spark, no files, no configuration.
"""
