"""What a Python program calls: a monitor, and what can be done with it.

It puts stages and outputs together and computes nothing; the command line and the demo are its first callers.
"""
