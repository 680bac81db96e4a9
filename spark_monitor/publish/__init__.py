"""After the commit: metrics in MLflow, a report to read, a summary for the terminal; all from the committed tables."""
