"""One self-contained page of HTML per monitor, offline.

Everything that comes from data is escaped; no number is computed here.
"""
