"""Names quoted, secrets masked, numbers and times as people read them: each way of writing a value, once.

Nothing here knows Spark, a table or a metric.
"""
