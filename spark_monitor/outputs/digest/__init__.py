"""The digest: what changed per model in a period, what is open and whose it is, cost, labels expected; short enough for a mail.

It reads the same facts as the report and computes no number of its own.
"""
