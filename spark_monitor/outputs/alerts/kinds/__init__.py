"""Kinds of channels, one file each: a file that is here is found, and its kind may be named in the monitor's file.

Only what hands a message over belongs here; what is sent, to whom and when is decided before.
"""
