"""Verdicts as sentences for a person: the number, how far it is known, the limit, and why there is none."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.thresholds import Threshold
from spark_monitor.quality.arrivals import NAMELY, OF_NEWEST_WINDOW, OF_SCHEMA
from spark_monitor.rules.limits import Bounds
from spark_monitor.rules.verdicts import ABSENT, CRAMERS_V, Held, Measurement, Ruling, not_nan

LONGEST_NAME: Final = 200
LONGEST_MESSAGE: Final = 500
FEWEST_DIGITS: Final = 4
MOST_DIGITS: Final = 17
_WHOLE_BELOW = 1e15
_LARGEST = (-sys.float_info.max, sys.float_info.max)
_OF_METRICS = frozenset({"estimation_error", "selection_error"})
_CERTAIN = frozenset({"wasserstein_distance", "median"})

_BEYOND = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}
_SHORT_OF = {">": "not above", ">=": "below", "<": "not below", "<=": "above"}


def reason(measurement: Measurement, rule: RuleConfig, given: Ruling, held: Held | None = None) -> str:
    """One sentence that says why the verdict is what it is; ``held`` are the limits of a rule whose limits move.

    >>> from spark_monitor.rules.verdicts import ruling
    >>> rule = RuleConfig(metric="ks", fail=0.1, min_count=500)
    >>> measurement = Measurement("ks", "wind_speed", 0.412, 0.401, 0.424, count=5000)
    >>> reason(measurement, rule, ruling(measurement, rule))
    'ks of wind_speed is 0.412 (95 % interval 0.401 to 0.424, 5,000 rows), above the fail limit 0.1.'
    >>> measurement = Measurement("ks", "wind_speed", 0.412, 0.401, 0.424, count=120)
    >>> reason(measurement, rule, ruling(measurement, rule))
    'ks of wind_speed rests on 120 rows, the rule asks for 500.'
    """
    subject, held = subject_of(measurement), held or Held.of(rule)
    if given.why == "interval":
        number = _number_with_interval(measurement, held)
        return f"{subject} is {number}{_against(measurement, held, given)}{_aside(measurement)}."
    if given.why == "many":
        number = _number_with_interval(measurement, held)
        return f"{subject} is {number}, which chance gives one of so many columns: its q-value is above alerts.fdr."
    rows = "an unknown number of rows" if measurement.count is None else rows_text(measurement.count)
    if given.why == "too_few":
        return f"{subject} rests on {rows}, the rule asks for {rule.min_count:,}."
    if given.why == "chance":
        needed = "no number of rows is enough" if held.needed is None else f"it takes {held.needed:,} to tell"
        return f"{subject} rests on {rows}, in which chance alone may give {number_text(held.chance)}: {needed}."
    if given.why == "no_limit":
        return f"{subject} has no limit yet: {held.gap}."
    if given.why == "no_such_limit":
        return f"{subject} is judged by Cramer's V, which lies between 0 and 1, so the rule's limits must, too."
    return f"{subject} {_without_number(measurement)}"


def subject_of(measurement: Measurement) -> str:
    """What the sentence is about.

    >>> subject_of(Measurement("precision", class_name="late", slice_key="origin", slice_value="JFK"))
    'precision of class late where origin is JFK'
    >>> subject_of(Measurement("disparate_impact", class_name="EWR", family="fairness", slice_key="origin", slice_value="JFK"))
    'disparate_impact against EWR where origin is JFK'
    """
    parts = [f"{CRAMERS_V} (Cramer's V)" if measurement.metric == CRAMERS_V else measurement.metric]
    if measurement.estimated:
        parts[0] = f"estimated {parts[0]}"
    if measurement.baseline_name is not None:
        parts[0] = f"{parts[0]} from {plain(measurement.baseline_name)}"
    if measurement.column_name != TABLE_ROW:
        parts.append(f"of {plain(measurement.column_name)}")
    if measurement.class_name is not None:
        parts.append(f"{_before_class(measurement)} {plain(measurement.class_name)}")
    if measurement.slice_key is not None:
        value = "NULL" if measurement.slice_value is None else plain(measurement.slice_value)
        parts.append(f"where {plain(measurement.slice_key)} is {value}")
    return " ".join(parts)


def _before_class(measurement: Measurement) -> str:
    """What the class of a metric is: a class, whom a group is held against, a threshold, a version, a currency, a metric."""
    metric, family = measurement.metric, measurement.family
    if family == "fairness":
        return "against"
    if family == "cost":
        return "in"
    if metric in _OF_METRICS:
        return "of"
    ends = {"_at_threshold": "at", "_difference": "against version"}
    return next((text for end, text in ends.items() if metric.endswith(end)), "of class")


def plain(text: str, longest: int = LONGEST_NAME) -> str:
    """A string on one line, cut to ``longest`` characters.

    >>> plain("a\\nb"), plain("x" * 300, 10)
    ('a b', 'xxxxxxxxx…')
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(character if character.isprintable() else " " for character in cut)


def number_text(number: float, limits: Sequence[float] = ()) -> str:
    """A number in four digits, or in as many as it takes to see on which side of the limits it lies.

    >>> number_text(0.41234), number_text(336776.0), number_text(0.1000001, [0.1]), number_text(123456.78)
    ('0.4123', '336,776', '0.1000001', '123,456.8')
    """
    if number.is_integer() and abs(number) < _WHOLE_BELOW:
        return f"{number:,.0f}"
    whole_digits = len(f"{abs(number):.0f}") if abs(number) < _WHOLE_BELOW else 0
    for digits in range(max(FEWEST_DIGITS, whole_digits + 1), MOST_DIGITS):
        text = f"{number:,.{digits}g}"
        shown = float(text.replace(",", ""))
        # The largest doubles round to infinity, which is beyond them.
        if all((shown < limit, shown > limit) == (number < limit, number > limit) for limit in (*limits, *_LARGEST)):
            return text
    return f"{number:,.{MOST_DIGITS}g}"


def rows_text(count: int) -> str:
    """A number of rows.

    >>> rows_text(1), rows_text(5000)
    ('1 row', '5,000 rows')
    """
    return "1 row" if count == 1 else f"{count:,} rows"


def _number_with_interval(measurement: Measurement, held: Held) -> str:
    limits = [side.value for bounds in (held.warn, held.fail) if bounds is not None for side in bounds.sides()]
    value, (lower, upper) = not_nan(measurement.value) or 0.0, measurement.interval
    notes = []
    if lower < upper:
        notes.append(_interval_text(lower, upper, limits, certain=measurement.metric in _CERTAIN))
    if measurement.count is not None and measurement.metric != "count":
        notes.append(rows_text(measurement.count))
    beside = f" ({', '.join(notes)})" if notes else ""
    return f"{number_text(value, limits)}{beside}"


def _interval_text(lower: float, upper: float, limits: Sequence[float], *, certain: bool) -> str:
    low, high = math.isfinite(lower), math.isfinite(upper)
    if not low and not high:
        return "no bound is known"
    if not low or not high:
        return f"at most {number_text(upper, limits)}" if high else f"at least {number_text(lower, limits)}"
    bounds = number_text(lower, limits), number_text(upper, limits)
    return f"between {bounds[0]} and {bounds[1]}" if certain else f"95 % interval {bounds[0]} to {bounds[1]}"


def _against(measurement: Measurement, held: Held, given: Ruling) -> str:
    bounds = held.fail if given.limit == "fail" else held.warn
    if bounds is None:
        return ""
    side = bounds.side_of(not_nan(measurement.value) or 0.0)
    if given.verdict == "UNDECIDED":
        return f", which may be on either side of {_named(str(given.limit), bounds, side)}"
    if given.verdict == "PASS":
        return f", {side_text(str(given.limit), bounds, side, kept=True)}"
    also = _and_may_fail(measurement, held.fail) if given.open_fail else ""
    return f", {side_text(str(given.limit), bounds, side, kept=False)}{also}"


def side_text(name: str, bounds: Bounds, side: Threshold, *, kept: bool) -> str:
    """On which side of a limit a number lies that keeps it, or breaks it.

    >>> side_text("fail", Bounds.fixed(Threshold(">", 0.1)), Threshold(">", 0.1), kept=True)
    'not above the fail limit 0.1'
    """
    if kept and len(bounds.sides()) > 1:
        low, high = (_limit_text(one, bounds) for one in bounds.sides())
        return f"between the {name} limits {low} and {high}{f' ({bounds.source})' if bounds.source else ''}"
    return f"{(_SHORT_OF if kept else _BEYOND)[side.operator]} {_named(name, bounds, side)}"


def _named(name: str, bounds: Bounds, side: Threshold) -> str:
    return f"the {name} limit {_limit_text(side, bounds)}{f' ({bounds.source})' if bounds.source else ''}"


def _and_may_fail(measurement: Measurement, fail: Bounds | None) -> str:
    if fail is None:
        return ""
    side = fail.side_of(not_nan(measurement.value) or 0.0)
    return f", and may be {_BEYOND[side.operator]} the fail limit {_limit_text(side, fail)}"


def _limit_text(limit: Threshold, bounds: Bounds) -> str:
    """A limit as the file writes it; one that was computed in few digits, `expected` has them all."""
    return number_text(limit.value) if bounds.source else f"{limit.value:.15g}"


def _aside(measurement: Measurement) -> str:
    """What the number must be read with: the drift that chance gives, labels that are still to come, the columns counted."""
    expectation, coverage = not_nan(measurement.expected_value), not_nan(measurement.label_coverage)
    if expectation is not None:
        return f"; without any drift {number_text(expectation)} would be expected"
    if coverage is not None and measurement.label_status == "PROVISIONAL":
        return f"; {number_text(100 * coverage)} % of the rows have a label so far"
    if measurement.metric in OF_SCHEMA and measurement.message:
        return f"{NAMELY}{plain(measurement.message, LONGEST_MESSAGE)}"
    return ""


def _without_number(measurement: Measurement) -> str:
    message = plain((measurement.message or "").strip(), LONGEST_MESSAGE)
    if message:
        stop = "" if message[-1] in ".!?…" else "."
        return f"has no value: {message}{stop}"
    if measurement.status == ABSENT:
        return _absence(measurement)
    return "has no value." if measurement.status == "OK" else f"has no value: its status is {plain(measurement.status)}."


def _absence(measurement: Measurement) -> str:
    if measurement.family == "model":
        return "has no value: it was not computed for this window."
    if measurement.metric in OF_NEWEST_WINDOW:
        return "has no value: a run knows it of its newest window alone."
    if measurement.column_name == TABLE_ROW:
        return "has no value: no column has it in this window."
    return "has no value: the column has no such number in this window."
