"""The work of one task on arrays: rows in, partial states out, partial states merged.

No Spark; what a number means to a person is explained elsewhere.
"""
