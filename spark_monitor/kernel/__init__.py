"""The work of one task: Arrow batches in, states out. Nothing here knows of Spark."""
