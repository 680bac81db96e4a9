"""Slices as causes of a fall: how much of it each explains, by the mix of the rows and by its own value."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from scipy.special import ndtr, ndtri

from spark_monitor.diagnosis.falls import Cause, Fall, mean
from spark_monitor.diagnosis.groups import WHOLE, Slice
from spark_monitor.text.formatting import number, percent, slice_name

ROOTS: Final = frozenset({"root_mean_squared_error", "root_mean_squared_log_error"})
"""Metrics whose squares, not themselves, are means over the rows: a fall of these is divided by squares."""

SLICES_SHOWN: Final = 4
ROUNDING: Final = 1e-5

CLEAR_SHARE: Final = 0.6
CLEARLY_MORE: Final = 1.3
"""A slice that explains so much of a fall, and so many times what its part of the rows would, is named before other causes."""


STANDS_OUT: Final = 3.0
"""By so many standard errors its own change must differ from that of the others of its key: one in a dozen does by two."""

DOZEN: Final = 12


def is_of_one_slice(fall: Fall | None) -> bool:
    """Whether a fall is that of one slice: it alone fails, or it clearly explains most."""
    if fall is None or not fall.is_worse:
        return False
    return fall.place != WHOLE or any(is_clear(fall, cause) for cause in slice_causes(fall)[:1])


def is_clear(fall: Fall, cause: Cause) -> bool:
    """Whether one slice explains a fall: most of it, clearly more than the rows it has, and more than chance."""
    slice_ = next((one for one in fall.slices_now if slice_name(*one) == cause.what), None)
    if slice_ is None or cause.share is None:
        return False
    part = fall.slices_now[slice_].count / fall.now.count if fall.now.count else 1.0
    return cause.share >= max(CLEAR_SHARE, CLEARLY_MORE * part) and (cause.kind == "mix" or _stands_out(fall, slice_))


def _stands_out(fall: Fall, slice_: Slice) -> bool:
    """Whether a slice's value has changed otherwise than that of the other slices of its key, beyond chance.

    Of more than a dozen slices that were looked at one stands out by chance as often as of a dozen (Bonferroni).
    """
    others = [one for one in fall.slices_now if one[0] == slice_[0] and one != slice_ and one in fall.slices_before]
    now, before = fall.slices_now[slice_], fall.slices_before.get(slice_)
    rest_now, rest_before = (mean([scores[one] for one in others]) for scores in (fall.slices_now, fall.slices_before))
    if before is None or rest_now is None or rest_before is None:
        return False
    error = math.sqrt(sum(one.error**2 for one in (now, before, rest_now, rest_before)))
    return abs((now.value - before.value) - (rest_now.value - rest_before.value)) > stands_out(len(fall.slices_now)) * error


def stands_out(looked_at: int) -> float:
    """By how many standard errors one of so many slices must differ.

    >>> round(stands_out(2), 2), round(stands_out(60), 2)
    (3.0, 3.46)
    """
    return max(STANDS_OUT, -float(ndtri(float(ndtr(-STANDS_OUT)) * DOZEN / max(looked_at, DOZEN))))


def searched_causes(fall: Fall) -> list[Cause]:
    """The slice that the monitor's file does not name in which a fall clearly lies: a bin of a feature, or a cross of slices.

    It has no share of the fall that other causes would have to leave it.
    """
    searched = replace(fall, slices_now=fall.searched_now, slices_before=fall.searched_before)
    return [replace(cause, share=None) for cause in slice_causes(searched)[:1] if is_clear(searched, cause)]


def place_causes(fall: Fall) -> list[Cause]:
    """The slice that a fall is in, where it alone fails."""
    if fall.place == WHOLE:
        return []
    name = slice_name(*fall.place)
    sentence = f"{name}: {fall.metric} {number(fall.before.value)} to {number(fall.now.value)}; all rows together do not fail."
    return [Cause("slice", name, 1.0, sentence)]


def slice_causes(fall: Fall) -> list[Cause]:
    """A fall as a sum over the values of the slice key in which one value explains most beyond its rows, split into mix and rate.

    With shares w and values m before (0) and now (1), value v adds (w1 - w0) ((m0 + m1) / 2 - m) by the mix, m being the mean of
    both overall values, and (w0 + w1) / 2 (m1 - m0) by the rate. What a metric of all rows has beyond the mean of its slices
    (ranks between slices, say) is the rest, so that shares add up to 1. Of a root of a mean of squares m is the square.
    """
    keys = sorted({key for key, _ in fall.slices_now if key is not None}) if fall.place == WHOLE else []
    split = [parts for key in keys if (parts := _parts(fall, key))]
    if not split:
        return []
    # A slice of most rows explains most of any fall: what counts is how much more it explains than it has rows.
    best = max(split, key=lambda parts: max((mix + rate) / _change(fall) - weight for _, mix, rate, weight in parts))
    ordered = sorted(best, key=lambda part: -(part[1] + part[2]) / _change(fall))
    causes = [_slice_cause(fall, *part) for part in ordered[:SLICES_SHOWN]]
    rest = 1.0 - sum(cause.share or 0.0 for cause in causes)
    if abs(rest) > ROUNDING:
        causes.append(
            Cause("rest", "other slices", round(rest, 6), f"Other slices, and what lies between them: {of_the_change(rest)}.")
        )
    return causes


def _additive(fall: Fall, value: float) -> float:
    """What is a mean over the rows."""
    return value * value if fall.metric in ROOTS else value


def _change(fall: Fall) -> float:
    return _additive(fall, fall.now.value) - _additive(fall, fall.before.value)


Part = tuple[Slice, float, float, float]
"""A slice, what it adds by the mix and by the rate, and its share of the rows now."""


def _parts(fall: Fall, key: str) -> list[Part]:
    both = sorted((one for one in fall.slices_now if one[0] == key and one in fall.slices_before), key=repr)
    rows_now, rows_before = (sum(scores[one].count for one in both) for scores in (fall.slices_now, fall.slices_before))
    if len(both) < 2 or not rows_now or not rows_before:
        return []
    middle = (_additive(fall, fall.now.value) + _additive(fall, fall.before.value)) / 2
    parts = []
    for one in both:
        now, before = fall.slices_now[one], fall.slices_before[one]
        w1, w0 = now.count / rows_now, before.count / rows_before
        m1, m0 = _additive(fall, now.value), _additive(fall, before.value)
        parts.append((one, (w1 - w0) * ((m0 + m1) / 2 - middle), (w0 + w1) / 2 * (m1 - m0), w1))
    return parts


def _slice_cause(fall: Fall, slice_: Slice, mix: float, rate: float, weight: float) -> Cause:
    now, before = fall.slices_now[slice_], fall.slices_before[slice_]
    change = _change(fall)
    share, squared = (mix + rate) / change, " of its square" if fall.metric in ROOTS else ""
    kind = "mix" if abs(mix) > abs(rate) else "slice"
    sentence = (
        f"{slice_name(*slice_)} ({percent(weight)} of the rows): {fall.metric} {number(before.value)} to {number(now.value)}, "
        f"{of_the_change(share)}{squared}, {of_the_change(mix / change)} by its part of the rows "
        f"and {of_the_change(rate / change)} by its own value."
    )
    return Cause(kind, slice_name(*slice_), round(share, 6), sentence)


def of_the_change(share: float) -> str:
    """A share of a change, which can be more than all of it, or against it.

    >>> of_the_change(0.256), of_the_change(-0.1)
    ('25.6 % of the change', '-10.0 % of the change')
    """
    return f"{100 * share:.1f} % of the change"
