"""The two ways to read a prediction table: through Spark, and its files by the tasks themselves.

Which of them a run uses is decided in `stages.reader`.
"""
