"""Whether categories were re-coded: the same values, with their frequencies exchanged."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import SHARE, quality_metric
from spark_monitor.quality.column_block import NO_BASELINE, NOT_MEANT, UNDEFINED, ColumnBlock, statuses, with_status

MOST_VALUES = 20
"""So many frequent values of a column are kept with their exact counts; of columns with more, nothing is reported."""

DIFFERENT, ALIKE = 1e-6, 1e-3
"""Frequencies differ value by value below the first p-value; ordered by size they agree above the second."""

RARE = 0.01
"""Values of so small a fraction in the baseline, all together, may be lacking by chance."""

EXPLAINED = 0.1
"""Or where ordering by size leaves so small a fraction of the distance, however many rows tell that they are not the same."""


@quality_metric("category_permutation", columns=("categorical",), range=SHARE)
def category_permutation(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """1 where the values are the baseline's but their frequencies are exchanged among them, 0 where they are not.

    The fractions differ value by value (chi-squared, p < 1e-6), while the fractions ordered by size do not (p > 1e-3, or a tenth
    of the total variation at most). Details name which value has the frequency of which.
    """
    size = len(current)
    status, message = statuses(size)
    status[current.quantities] = NOT_MEANT
    value = np.zeros(size)
    details: list[dict[str, str] | None] = [None] * size
    if baseline is None:
        status[~current.quantities], message[~current.quantities] = NO_BASELINE, "There is no baseline to compare with."
        return with_status(value, value, value, status, message, current.present)
    _say_what_is_undefined(current, baseline, status, message)
    for place in np.flatnonzero(status == "OK").tolist():
        mapping = exchanged(dict(baseline.items[place]), dict(current.items[place]))
        value[place] = float(mapping is not None)
        details[place] = mapping
    return with_status(value, value, value, status, message, current.present, details)


def _say_what_is_undefined(current: ColumnBlock, baseline: ColumnBlock, status: np.ndarray, message: np.ndarray) -> None:
    meant = status == "OK"
    lacking = meant & (baseline.present == 0)
    status[lacking], message[lacking] = NO_BASELINE, "The baseline has no value of this column."
    many = meant & ((baseline.distinct_count > MOST_VALUES) | (current.distinct_count > MOST_VALUES)) & ~lacking
    status[many], message[many] = UNDEFINED, f"The column has more than {MOST_VALUES} different values."
    empty = meant & (current.present == 0)
    status[empty], message[empty] = UNDEFINED, "There is no value to look at."


def exchanged(before: dict[str, int], now: dict[str, int]) -> dict[str, str] | None:
    """Which value has the frequency that which value had; None where the frequencies were not exchanged.

    >>> exchanged({"a": 800, "b": 150, "c": 50}, {"a": 160, "b": 790, "c": 50})
    {'a': 'b', 'b': 'a'}
    >>> exchanged({"a": 800, "b": 200}, {"a": 790, "b": 210}) is None
    True
    >>> exchanged({"a": 500, "b": 300, "c": 200}, {"a": 300, "b": 180, "c": 520}) is None
    True
    """
    names = sorted({*before, *now})
    old, new = (np.array([counts.get(name, 0) for name in names]) for counts in (before, now))
    lost = old[new == 0].sum() / max(old.sum(), 1)
    if set(now) - set(before) or lost > RARE or np.count_nonzero(new) < 2:
        return None
    ranked = np.argsort(-old, kind="stable"), np.argsort(-new, kind="stable")
    by_value, by_size = distance(old, new), distance(old[ranked[0]], new[ranked[1]])
    alike = by_size[0] > ALIKE or by_size[1] <= EXPLAINED * by_value[1]
    if by_value[0] >= DIFFERENT or not alike or _one_alone_moved(old, new, by_size[1]) or has_grown(old, new):
        return None
    pairs = {names[there]: names[here] for here, there in zip(ranked[0].tolist(), ranked[1].tolist(), strict=True)}
    return {name: other for name, other in sorted(pairs.items()) if name != other} or None


def _one_alone_moved(old: np.ndarray, new: np.ndarray, left: float) -> bool:
    """Whether one value has become more or less frequent and the others keep their proportions: no exchange.

    This must leave less of the total variation than an exchange does (``left``).
    """
    fractions = np.array([old / old.sum(), new / new.sum()])
    for place in range(old.size if old.size > 2 else 0):
        rest = np.delete(fractions, place, axis=1)
        totals = np.maximum(rest.sum(axis=1, keepdims=True), 1e-12)
        if np.abs(np.subtract(*(rest / totals))).sum() / 2 * totals.min() < left:
            return True
    return False


FREELY = 4.0
"""So much chi-squared must the one share that may be anything save to be the likelier: it fits more than exchanged names do."""


def has_grown(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether one of three values or more has become more frequent at the cost of all others, as far as counts tell.

    Shares ordered by size may happen to be alike then. That one group has grown is what happens to populations, so that it is
    taken for that unless it leaves more of chi-squared than exchanged names do, by ``FREELY`` beyond what it fits by being free.

    >>> was = np.array([5500, 2800, 1700])
    >>> has_grown(was, np.array([130, 66, 204])), has_grown(was, np.array([112, 220, 68]))
    (True, False)
    >>> has_grown(np.array([50, 30, 20, 0, 0, 0]), np.array([0, 0, 0, 50, 30, 20]))
    False
    """
    if old.size <= 2 or not old.sum() or not new.sum():
        return False
    shares, v = np.array([old / old.sum(), new / new.sum()]), 1 / old.sum() + 1 / new.sum()
    exchanged_misfit = misfit(np.sort(shares, axis=1), v)
    grown = np.flatnonzero(shares[1] > shares[0])
    return any(misfit_of_rest(shares, place, v) < exchanged_misfit + FREELY for place in grown.tolist())


def misfit_of_rest(shares: np.ndarray, place: int, v: float) -> float:
    """What is left where one value's share may be anything and the others keep their proportions."""
    rest = np.delete(shares, place, axis=1)
    totals = np.maximum(rest.sum(axis=1, keepdims=True), 1e-12)
    return misfit(rest / totals, v / float(totals.min()))


def misfit(shares: np.ndarray, v: float) -> float:
    """Pearson's chi-squared of two lists of shares, whose rows give the variance ``v`` times a share."""
    middle = np.maximum(shares.sum(axis=0) / 2, 1e-9)
    return float((np.subtract(*shares) ** 2 / middle).sum() / v)


def distance(old: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    """The chi-squared test's p-value of two rows of counts, and the total variation of their fractions."""
    both = np.array([old, new], dtype=np.float64)
    both = both[:, both.sum(axis=0) > 0]
    totals = both.sum(axis=1, keepdims=True)
    expected = totals * both.sum(axis=0) / both.sum()
    statistic = float(((both - expected) ** 2 / expected).sum())
    fractions = both / totals
    return float(chdtrc(max(both.shape[1] - 1, 1), statistic)), float(np.abs(fractions[0] - fractions[1]).sum() / 2)
