"""How far the labels of a window have come. No Spark."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

Maturity = Literal["NO_LABELS", "PROVISIONAL", "FINAL"]


def maturity(window_end: datetime, horizon: timedelta, as_of: datetime, labelled: int) -> Maturity:
    """How far a window's labels have come: none, still coming, or as complete as they will count.

    >>> from datetime import UTC
    >>> end, horizon = datetime(2024, 1, 8, tzinfo=UTC), timedelta(days=14)
    >>> maturity(end, horizon, end, 0), maturity(end, horizon, end, 9), maturity(end, horizon, end + horizon, 9)
    ('NO_LABELS', 'PROVISIONAL', 'FINAL')
    """
    if not labelled:
        return "NO_LABELS"
    return "FINAL" if as_of >= window_end + horizon else "PROVISIONAL"
