"""What a person reads in a terminal: the status of a monitor.

No number is computed here.
"""
