"""Time: periods, windows, what is due, coarse windows from fine ones.

Pure functions of timestamps; no Spark, no table, no wall clock.
"""
