"""Does the model treat groups alike? Catalogue entries on the score states of a slice and of its reference.

No Spark.
"""
