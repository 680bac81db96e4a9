"""The steps of a run, each from tables to one table: what the story in ``pipeline`` is told in."""
