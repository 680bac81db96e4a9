"""How do the serving system, the pipelines and the bill behave? Catalogue entries on their states.

No Spark and no table: `sources` reads them.
"""
