"""What `check`, `doctor` and the start of a run find wrong before any work is done.

A finding is a sentence with the next step; nothing is written.
"""
