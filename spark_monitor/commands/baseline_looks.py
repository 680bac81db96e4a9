"""What a baseline's rows say beyond their columns' kinds: the threshold, how predictions are spread, how long strings are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spark_monitor.commands.label_guesses import MOST_CLASSES
from spark_monitor.commands.label_spreads import label_spread
from spark_monitor.commands.roles import Column, Roles
from spark_monitor.states.classes import canonical_label
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LONG: Final = 0.9
"""A string at least as long as this quantile is hardly ever missing among a hundred: once in 40,000 times."""

CONTENTS: Final = 200_000
"""Of so many rows it is counted how often their contents come again."""

DIGITS: Final = 6
HALF: Final = 0.5
CLASSES: Final = ("no", "yes")


@dataclass(frozen=True)
class BaselineLooks:
    """What the rules and the file take from the baseline's rows."""

    threshold: float | None = None
    """Where predictions turn from no to yes, None where no threshold of the score parts them."""

    predicted: Sequence[float] = ()
    """The fractions of the predictions that are of each class; empty where classes are not what is predicted."""

    predicted_moved: float = 0.0
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Of columns of many strings: so long or longer is one in ten."""

    copied: float | None = None
    """Which percent of the rows agree with another one in all but the id, None without rows."""


def baseline_looks(baseline: DataFrame, columns: Sequence[Column], roles: Roles, every: str) -> BaselineLooks:
    """Two small aggregates of classes that are predicted, one of long strings, one of scores."""
    classes: tuple[float, ...] = ()
    moved = 0.0
    if roles.task in ("binary", "multiclass") and roles.prediction is not None:
        classes, moved = label_spread(baseline, roles.prediction, roles.time, every)
    lengths, copied = _lengths(baseline, columns, roles), _copied(baseline, columns, roles)
    return BaselineLooks(_threshold(baseline, roles), classes, moved, lengths, copied)


def _copied(baseline: DataFrame, columns: Sequence[Column], roles: Roles) -> float | None:
    """Of some contents all rows, chosen by their hashes: what a sample of rows would not meet."""
    from pyspark.sql import functions as F

    left_out = {*roles.ids, *roles.times, roles.label, roles.label_time} - {roles.time}
    names = [one.name for one in columns if one.kind != "other" and one.name not in left_out]
    content = baseline.select(F.xxhash64(*(F.col(quote(name)) for name in names)).alias("content"))
    parts = max(content.count() // CONTENTS, 1)
    row = (
        content.where(F.pmod(F.col("content"), F.lit(parts)) == 0)
        .agg(F.count("content"), F.countDistinct("content"))
        .collect()[0]
    )
    return 100 * (row[0] - row[1]) / row[0] if row[0] else None


def _threshold(baseline: DataFrame, roles: Roles) -> float | None:
    from pyspark.sql import functions as F

    if roles.task != "binary" or roles.prediction is None or roles.score is None:
        return None
    score, prediction = F.col(quote(roles.score)).cast("double"), F.col(quote(roles.prediction))
    both = baseline.where(score.isNotNull() & ~F.isnan(score) & prediction.isNotNull())
    rows = both.groupBy(prediction.alias("class")).agg(F.max(score), F.min(score)).limit(len(CLASSES) + 1).collect()
    # Compared as states compare them: labels may be of another type than predictions, and NaN is no class.
    named = [(canonical_label(row[0]), row) for row in rows]
    above = [row for name, row in named if name == canonical_label(roles.positive)]
    below = [row for name, row in named if name not in (None, canonical_label(roles.positive))]
    return parting(float(below[0][1]), float(above[0][2])) if len(above) == len(below) == 1 else None


def parting(below: float, above: float) -> float | None:
    """The threshold of the fewest digits above the one and not above the other, 0.5 where it fits; None where none parts them.

    >>> parting(0.3996, 0.4001), parting(0.2, 0.9), parting(0.61, 0.4), parting(0.7314, 0.7319)
    (0.4, 0.5, None, 0.7315)
    """
    if below >= above or not 0 <= above <= 1:
        return None
    if below < HALF <= above:
        return HALF
    for digits in range(1, DIGITS + 1):
        rounded: float = round(math.floor(below * 10**digits + 1) / 10**digits, digits)
        if below < rounded <= above:
            return rounded
    return above


def _lengths(baseline: DataFrame, columns: Sequence[Column], roles: Roles) -> dict[str, int]:
    from pyspark.sql import functions as F

    named = {*roles.ids, roles.time, roles.model_version, roles.prediction, roles.label}
    names = [one.name for one in columns if one.kind == "text" and (one.count or 0) > MOST_CLASSES and one.name not in named]
    if not names:
        return {}
    asked = [F.percentile_approx(F.length(F.col(quote(name))), LONG, 1000).alias(f"c{place}") for place, name in enumerate(names)]
    row = baseline.agg(*asked).collect()[0]
    return {name: int(long) for name, long in zip(names, row, strict=True) if long}
