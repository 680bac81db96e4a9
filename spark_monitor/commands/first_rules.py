"""The rules of a first file: limits that are learned from the baseline, each with what speaks for it. No Spark."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scipy.special import betaincinv

from spark_monitor.commands.label_spreads import LEAST_SHIFT, label_limit
from spark_monitor.commands.seen import RuleLine, Seen
from spark_monitor.rules.noise import LARGEST, PSI, rows_needed
from spark_monitor.windowing.periods import parse_every

CERTAIN: Final = 0.999
ALMOST: Final = 0.99
"""The quantile of the baseline's own windows beyond which a number fails, and warns."""

KS_LIMITS: Final = (0.02, 0.03)
PSI_LIMITS: Final = (0.05, 0.1)
NULL_LIMITS: Final = (2.0, 5.0)
"""Percentage points more, or less, of NULL than the baseline has."""

MOST_CHANCE: Final = 0.1
"""The KS distance that chance alone reaches is given by the number of rows at which it is this."""

FEWEST_FOR_SHARES: Final = 100
FEWEST_FOR_STUCK: Final = 50
FEWEST_FOR_MODEL: Final = 300
FEWEST_FOR_SIGN: Final = 300
"""Of fewer rows chance alone flips the sign of numbers around zero more often than once in ten thousand windows."""

FEWEST_AT_ALL: Final = 30
QUALITY_LIMIT: Final = 1.0
"""Percent of values that may break a format or a range beyond twice what the baseline's do."""

MOST_LABELS, HALF_OF_LABELS = 0.8, 0.5
OTHER_PREDICTIONS: Final = 0.25
"""Predictions are spread in another way where the rarest class that is common lost or gained a quarter of its own."""

LARGER_ERROR, MUCH_LARGER_ERROR = 0.1, 0.2

MOST_COPIED: Final = 20.0
"""Where more of the baseline's rows agree by chance, copies cannot be told."""

UNSEEN_LIMIT: Final = 2.0
"""Percent of values that are none of the baseline's."""

BEYOND_BY_CHANCE: Final = 1e-4
"""How often a baseline's two ends lie so far within those of all such rows that chance alone puts a window beyond the limit."""

SILENT_WINDOWS: Final = 3
COLUMNS_SHOWN: Final = 3


def proposed_rules(seen: Seen) -> Iterator[RuleLine]:
    """The rules, those of all columns first."""
    if seen.has_baseline:
        yield from _of_drift(seen)
    yield from _of_quality(seen)
    yield from _of_rows(seen)
    if seen.has_baseline and seen.looks.predicted:
        yield _of_predictions(seen)
    if seen.roles.label is not None:
        yield from _of_model(seen)


def learned(quantile: float, at_least: float) -> dict[str, float]:
    """A limit that is learned from the baseline's own windows, as the file writes it."""
    return {"learned": quantile, "at_least": at_least}


def most_beyond(rows: int | None) -> float:
    """Percent of all rows that lie beyond the ends of so many of them, hardly ever more; rounded up to tenths.

    Whatever the distribution, the part beyond the least and the greatest of m rows is a beta variable of 2 and m - 1: Wilks,
    "Determination of sample sizes for setting tolerance limits" (1941).

    >>> most_beyond(100), most_beyond(10_000)
    (11.2, 0.2)
    """
    return math.ceil(1000 * float(betaincinv(2, max((rows or sys.maxsize) - 1, 1), 1 - BEYOND_BY_CHANCE))) / 10


def _of_drift(seen: Seen) -> Iterator[RuleLine]:
    least = _rows_for("ks", MOST_CHANCE, seen)
    chance = f"of fewer than {least:,} rows only larger moves than {MOST_CHANCE:g} are certain, and only these are called"
    yield _moving("ks", "*", KS_LIMITS, FEWEST_AT_ALL, f"numbers that move; {chance}")
    for categories, names in _by_size(seen.categories):
        least = _rows_for(PSI, 2 * PSI_LIMITS[1], seen, freedom=categories)
        comment = f"categories that move: up to {categories} values"
        yield _moving(PSI, names, PSI_LIMITS, min(least, _usual_rows(seen)), comment)
    names = [name for _, of_size in _by_size(seen.categories) for name in of_size]
    if names:
        # PSI stays small where a few percent of the rows get another, common value; KS holds numbers to the same.
        comment = "one category that gains or loses rows: its fraction of them"
        yield _moving(LARGEST, names, KS_LIMITS, FEWEST_AT_ALL, comment)
    most = [name for name, percent in sorted(seen.missing.items(), key=lambda one: -one[1]) if percent >= NULL_LIMITS[1]]
    usual = ", ".join(f"{name} {seen.missing[name]:.0f} %" for name in most[:COLUMNS_SHOWN])
    comment = f"NULLs, in percentage points beyond the baseline's own{f' ({usual})' if usual else ''}"
    yield _moving("percent_null_delta", "*", NULL_LIMITS, _fewest(seen), comment)


def _moving(metric: str, columns: Any, limits: tuple[float, float], least: int, evidence: str) -> RuleLine:
    warn, fail = (learned(quantile, limit) for quantile, limit in zip((ALMOST, CERTAIN), limits, strict=True))
    return RuleLine({"metric": metric, "columns": columns, "warn": warn, "fail": fail, "min_count": least}, evidence)


def _rows_for(metric: str, limit: float, seen: Seen, freedom: int = 1) -> int:
    """The fewest rows at which chance alone stays below a limit, in two digits, rounded up."""
    against = float(seen.baseline_rows or math.inf)
    needed: int = rows_needed(metric, limit, 50.0, against, float(freedom)) or FEWEST_FOR_MODEL
    step = 10 ** max(len(str(needed)) - 2, 0)
    return max(FEWEST_FOR_SHARES, int(math.ceil(needed / step) * step))


def _fewest(seen: Seen) -> int:
    """The fewest rows of which a fraction in percent is judged."""
    return min(FEWEST_FOR_SHARES, _usual_rows(seen))


def _usual_rows(seen: Seen) -> int:
    """Half of what a window has, in two digits: a rule that asks for more would judge no window of a quiet week or a slice.

    Nothing is called certain for that: an interval decides, and a learned limit is never below what chance reaches.
    """
    if seen.window_rows is None:
        return sys.maxsize
    return max(FEWEST_AT_ALL, int(float(f"{seen.window_rows / 2:.1e}")))


def _by_size(categories: Mapping[str, int]) -> Iterator[tuple[int, list[str]]]:
    """Text columns with few categories, then those with more: chance moves these further."""
    for low, high in ((2, 10), (11, 50)):
        names = [name for name, count in categories.items() if low <= count <= high]
        if names:
            yield max(categories[name] for name in names), names


def _of_quality(seen: Seen) -> Iterator[RuleLine]:
    """Rules for what the section `quality` says, beyond what the rows that were looked at do themselves."""
    for section, metric, comment in (
        ("formats", "percent_format_mismatch", "strings that do not have the format above, in percent"),
        ("ranges", "percent_out_of_range", "values outside the range above, in percent"),
        ("unique", "percent_duplicated_values", "values of unique columns that occur more than once, in percent"),
        ("sentinels", "percent_sentinel", "placeholders for missing values, in percent"),
    ):
        names = list(dict.fromkeys(guess.column for guess in seen.quality if guess.section == section))
        if names:
            worst = max(guess.broken for guess in seen.quality if guess.section == section)
            limit = round(QUALITY_LIMIT + 2 * worst, 2)
            yield RuleLine({"metric": metric, "columns": names, "fail": limit, "min_count": _fewest(seen)}, comment)
    if seen.has_baseline and seen.categories:
        rule = {
            "metric": "percent_unseen",
            "columns": list(seen.categories),
            "fail": UNSEEN_LIMIT,
            "min_count": _fewest(seen),
        }
        yield RuleLine(rule, "categories that the baseline does not have, in percent")
    if seen.has_baseline:
        comment = "columns that vary in the baseline and have ceased to"
        yield RuleLine(
            {"metric": "is_stuck", "columns": "*", "fail": "> 0", "min_count": min(FEWEST_FOR_STUCK, _usual_rows(seen))}, comment
        )
    if seen.has_baseline and seen.signed:
        rule = {
            "metric": "unit_factor",
            "columns": list(seen.signed),
            "fail": "< 0",
            "min_count": FEWEST_FOR_SIGN,
            "slices": "none",
        }
        yield RuleLine(rule, "a flipped sign of numbers around zero; one that is alike on both sides of it shows none")
    if seen.has_baseline:
        yield from _beyond(seen)
    for name, long in seen.looks.lengths.items() if seen.has_baseline else ():
        # Not in slices: those of one language or shop may all be short.
        rule = {"metric": "max_length", "columns": [name], "fail": f"< {long}", "min_count": FEWEST_FOR_SHARES, "slices": "none"}
        yield RuleLine(rule, f"strings that were cut: one in ten is at least {long} characters long")
    comment = "strings that were read in another encoding, in percent"
    yield RuleLine({"metric": "percent_mojibake", "columns": "*", "fail": QUALITY_LIMIT, "min_count": _fewest(seen)}, comment)


def _beyond(seen: Seen) -> Iterator[RuleLine]:
    """Rules for numbers without a range of their own; infinities lie beyond any, and are no news where the baseline has them."""
    ranged = {guess.column for guess in seen.quality if guess.section == "ranges"}
    names = [name for name in seen.signed if name not in ranged]
    for infinite in (False, True):
        columns = [name for name in names if bool(seen.infinite.get(name)) is infinite]
        if not columns:
            continue
        usual = max(seen.infinite.get(name, 0.0) for name in columns)
        limit = round(max(UNSEEN_LIMIT, most_beyond(seen.baseline_rows)) + 2 * usual, 2)
        # Not in slices: of the few rows that the baseline has of some, many others lie beyond by chance.
        rule = {"metric": "percent_out_of_range", "columns": columns, "fail": limit, "min_count": _fewest(seen), "slices": "none"}
        others = "infinities" if infinite else "placeholders"
        comment = f"values below or above all of the baseline's, such as {others}, in percent"
        yield RuleLine(rule, comment)


def _of_rows(seen: Seen) -> Iterator[RuleLine]:
    comment = "rows of all versions, against the windows before"
    yield RuleLine({"metric": "row_count_ratio", "warn": "< 0.8", "fail": "< 0.6"}, comment)
    comment = "whole rows that are there more than once, in percent"
    yield RuleLine({"metric": "percent_duplicate_rows", "fail": QUALITY_LIMIT, "min_count": _fewest(seen)}, comment)
    if seen.looks.copied is not None and seen.looks.copied <= MOST_COPIED:
        comment = f"rows that are there again under other ids, in percent ({seen.looks.copied:.2g} in the baseline)"
        limit = round(QUALITY_LIMIT + 2 * seen.looks.copied, 2)
        yield RuleLine({"metric": "percent_copied_rows", "fail": limit, "min_count": _fewest(seen)}, comment)
    comment = "a window that holds another one's rows once more"
    yield RuleLine({"metric": "duplicated_window", "fail": "> 0", "min_count": _fewest(seen)}, comment)
    hours = SILENT_WINDOWS * parse_every(seen.every).nominal_hours
    yield RuleLine({"metric": "freshness_hours", "fail": round(hours, 1)}, f"no new row for {SILENT_WINDOWS} windows")
    if seen.has_baseline:
        # Columns that are gone or have another type are incidents without a rule; a new one is no fault until somebody uses it.
        comment = "columns that came since: nothing to compare them with until `spark-monitor freeze`"
        yield RuleLine({"metric": "columns_added", "warn": "> 0"}, comment)


def _of_predictions(seen: Seen) -> RuleLine:
    """The predicted classes: their rates move with the inputs, with the model, or with a threshold that nobody sees."""
    classes, moved = seen.looks.predicted, seen.looks.predicted_moved
    own = f"; its own windows are up to {moved:.2g} from it" if moved > LEAST_SHIFT else ""
    rule = {
        "metric": "prediction_shift",
        "columns": [seen.roles.prediction],
        "fail": label_limit(classes, moved, OTHER_PREDICTIONS),
        "min_count": min(FEWEST_FOR_MODEL, _usual_rows(seen)),
        "slices": "none",
    }
    return RuleLine(rule, f"how far the predicted classes' rates are from the baseline's {min(classes):.3g}{own}")


def _of_model(seen: Seen) -> Iterator[RuleLine]:
    """The model against itself: what is good for one model is a fault in another."""
    roles = seen.roles
    usual = 1 - seen.missing.get(roles.label or "", 0.0) / 100
    warn, fail = (f"< {round(part * usual, 2):g}" for part in (MOST_LABELS, HALF_OF_LABELS))
    comment = f"predictions with a label, once their time has come ({usual:.0%} in the baseline)"
    yield RuleLine({"metric": "label_coverage", "warn": warn, "fail": fail, "min_count": _fewest(seen)}, comment)
    least = min(FEWEST_FOR_MODEL, _usual_rows(seen))
    if seen.has_baseline and seen.classes:
        what = f"the fraction of labels that mean yes is from the baseline's {seen.classes[0]:.3g}"
        several = f"the labels' {len(seen.classes)} classes are from the baseline's: the largest change of any set's fraction"
        own = f"; its own windows are up to {seen.classes_moved:.2g} from it" if seen.classes_moved > LEAST_SHIFT else ""
        comment = f"how far {what if roles.task == 'binary' else several}{own}"
        limit = label_limit(seen.classes, seen.classes_moved)
        rule = {"metric": "label_shift", "fail": limit, "min_count": least, "slices": "none"}
        yield RuleLine(rule, comment)
    if roles.task == "regression" and seen.error and seen.has_baseline:
        # R2 would fall where a window's own labels vary little, which is no fault of the model.
        larger = [{"above_baseline": float(f"{part * seen.error:.2g}")} for part in (LARGER_ERROR, MUCH_LARGER_ERROR)]
        comment = f"{LARGER_ERROR:.0%} and {MUCH_LARGER_ERROR:.0%} more than the labelled baseline's {seen.error:.3g}"
        yield RuleLine({"metric": "root_mean_squared_error", "warn": larger[0], "fail": larger[1], "min_count": least}, comment)
    metric = {"binary": "roc_auc_score" if roles.score else "accuracy_score", "multiclass": "accuracy_score"}.get(roles.task)
    if metric is None:
        return
    comment = f"{metric} on the labelled baseline, less this much"
    if seen.has_baseline:
        limits: dict[str, Any] = {"warn": {"below_baseline": 0.03}, "fail": {"below_baseline": 0.05}}
        yield RuleLine({"metric": metric, **limits, "min_count": least}, comment)
