"""What failing checks have in common: groups of checks in, incidents with a kind, a sentence and causes out.

Plain Python on few rows: no Spark, no table, no clock. Whoever calls brings the failing groups and what is known of columns.
"""
