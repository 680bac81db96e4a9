"""The read model: what status, report, digest, alerts and MLflow show, asked once of the committed tables.

Nothing is formatted here and nothing is computed from rows of a monitored table.
"""
