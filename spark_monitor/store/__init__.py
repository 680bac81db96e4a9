"""The only code that says "delta": the tables, how they are written, who may write, and the views that read them."""

from spark_monitor.store.tables import Store

__all__ = ["Store"]
