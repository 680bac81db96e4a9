"""Fairness: how differently a model treats groups; rates of two groups in, differences and ratios with intervals out.

No Spark, no files, no configuration.
"""
