"""The demo: a real year of flights from New York, two models that say which of them arrive late, and their monitor.

``data`` makes the scored table's columns and the late labels, ``models`` trains and scores, ``registry`` registers the models in
MLflow, ``tables`` writes Delta, ``prepare`` does all of that once per directory, and ``story`` runs the monitor week by week.
"""
