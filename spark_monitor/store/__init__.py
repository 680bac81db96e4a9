"""The only code that says "delta": the tables, how they are written, who may write, and the views that read them."""
