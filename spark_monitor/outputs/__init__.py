"""After the commit: MLflow, report, alerts, digest, dashboards, terminal, all from `insight`.

Nothing here may change a table of results, or fail a run.
"""
