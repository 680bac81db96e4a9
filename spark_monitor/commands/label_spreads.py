"""How a baseline's labels are spread over their classes, how far its own windows are from that, and the limit it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from spark_monitor.commands.label_guesses import MOST_CLASSES
from spark_monitor.distances.class_shares import by_chance
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.periods import parse_every

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COMMON: Final = 0.05
OTHER_RATE: Final = 0.3
LEAST_SHIFT: Final = 0.01
"""Labels are spread in another way where the rarest class that is this common moved by this part of itself, and by so much."""

BEYOND_OWN: Final = 1.5
"""So far beyond the largest move of the baseline's own windows another one is no more like them."""

FEWEST_LABELS: Final = 30


def label_limit(classes: Sequence[float], moved: float = 0.0, part: float = OTHER_RATE) -> float:
    """How far the labels may be from the baseline's, by the fractions that their classes have there (total variation).

    So far they are where the rarest class that is common loses or gains three tenths of its labels, or all the others together
    do; rarer ones move by as much of theirs from day to day. ``moved`` is how far the baseline's own windows surely are.

    >>> label_limit([0.2, 0.8]), label_limit([0.001, 0.999]), label_limit([0.6, 0.3, 0.096, 0.004])
    (0.06, 0.01, 0.029)
    >>> label_limit([0.6, 0.3, 0.096, 0.004], moved=0.04)
    0.06
    """
    common = [min(one, 1 - one) for one in classes if one >= COMMON] or [max(classes)]
    return round(max(part * min(common), LEAST_SHIFT, BEYOND_OWN * moved), 3)


def label_spread(frame: DataFrame, label: str, time: str, every: str) -> tuple[tuple[float, ...], float]:
    """The fractions of the labels that are of each class, and how far the farthest window surely is from them. Two aggregates.

    The most frequent class is first. Of more classes than are counted nothing is said.
    """
    column = quote(label)
    counted = frame.where(f"{column} IS NOT NULL").groupBy(column).count().orderBy("count", ascending=False)
    counts = {row[0]: row["count"] for row in counted.limit(MOST_CLASSES + 1).collect()}
    if not 0 < len(counts) <= MOST_CLASSES:
        return (), 0.0
    total = sum(counts.values())
    shares = {value: count / total for value, count in counts.items()}
    return tuple(shares.values()), _farthest(frame, shares, total, (label, time, every))


def _farthest(frame: DataFrame, shares: dict[object, float], total: int, names: tuple[str, str, str]) -> float:
    """The largest lower bound of a window's distance from all of them, of which it is a part; 0 where there is one window."""
    from pyspark.sql import functions as F

    label, time, every = names
    hours = F.unix_micros(F.col(quote(time)).cast("timestamp")) / F.lit(3_600_000_000.0)
    value, n = F.col(quote(label)), F.col("rows").cast("double")
    each = [F.sum((value == F.lit(one)).cast("int")).alias(f"c{place}") for place, one in enumerate(shares)]
    window = F.floor(hours / F.lit(float(parse_every(every).nominal_hours))).alias("window")
    windows = frame.where(value.isNotNull()).groupBy(window).agg(F.count(F.lit(1)).alias("rows"), *each)
    alike = [F.least(F.col(f"c{place}") / n, F.lit(share)) for place, share in enumerate(shares.values())]
    alike_rows = alike[0]
    for one in alike[1:]:
        alike_rows = alike_rows + one
    reach = F.lit(float(by_chance(np.array(list(shares.values()))))) * F.sqrt(F.greatest(1 / n - F.lit(1 / total), F.lit(0.0)))
    row = windows.where(F.col("rows") >= FEWEST_LABELS).agg(F.max(1 - alike_rows - reach)).collect()[0]
    return max(float(row[0] or 0.0), 0.0)
