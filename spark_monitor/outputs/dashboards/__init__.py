"""Dashboards as files: an AI/BI dashboard for Databricks and one for Grafana, from one list of panels over the views.

Nothing here asks a table; the numbers come when the dashboard is opened.
"""
