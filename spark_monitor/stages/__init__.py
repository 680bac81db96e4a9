"""The verbs of a run, one file each: frames in, frames out, and the step that writes them.

Mathematics belongs in the nouns (`states`, `distances`, `scores`, ...), presentation in `insight` and `outputs`.
"""
