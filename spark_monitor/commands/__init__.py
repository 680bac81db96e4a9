"""The commands of the command line, one file each, and what they share: options, the terminal, the session, errors.

A command parses, calls and prints; what it prints is made in `outputs`.
"""
