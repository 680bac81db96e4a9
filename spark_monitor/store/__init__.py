"""The only code that says "delta": the tables, how they are written, who may write, and the views that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spark_monitor.store.tables import Store

__all__ = ["Store"]


def __getattr__(name: str) -> Any:
    """The store, imported on first use, so that `local` answers without importing Spark."""
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from spark_monitor.store.tables import Store

    return Store
