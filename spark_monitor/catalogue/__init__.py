"""Every metric of the product and of plug-ins: what a metric says of itself, and the one register of all of them.

No metric is computed here; formulas stand in the nouns (`distances`, `scores`, `quality`, ...).
"""
