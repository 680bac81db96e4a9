"""Every metric of the product and of plug-ins: the metadata of a metric, and the one registry of all of them.

No metric is computed here; formulas stand in the nouns (`distances`, `scores`, `quality`, ...).
"""
