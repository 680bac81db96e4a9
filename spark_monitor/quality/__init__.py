"""Is the data sound? Catalogue entries on states of one window against what is declared and what the baseline had.

No Spark, no rule: a limit is a rule's business.
"""
