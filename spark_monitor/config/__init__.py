"""A monitor's YAML file as frozen values: one file per section, every key with its default and its check.

What needs the real tables to be checked belongs in `preflight`.
"""
