"""What a rule says of a measurement: which rule, which limit, which verdict, and why in one sentence.

No rows are read here; `stages.judge` brings them.
"""
