"""Messages to people and actions by machines: one per event of an incident, noted in the table `deliveries`.

Addresses come from the environment alone and are never in a row, a log or an error. Nothing here fails a run.
"""
