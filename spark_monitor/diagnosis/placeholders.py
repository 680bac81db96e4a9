"""Placeholders that stand where measurements were."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from spark_monitor.diagnosis.categories import few_numbers, unseen_values
from spark_monitor.diagnosis.findings import NAMED_BY_METRIC, Finding
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.missing_words import is_missing_text
from spark_monitor.text.formatting import harmless
from spark_monitor.text.words import number_in

SENTINEL_SHARE: Final = 0.02
FLOOD_SHARE: Final = 0.2
"""A usual placeholder that is a possible measurement as well, such as 0, must have become so much more frequent."""

KNOWN_SENTINELS: Final = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, 0.0})
FEW_BESIDE: Final = 0.2
"""A usual placeholder outside the baseline's range is one where so few others, for each of it, are outside as well, or one end.

Zero is not: it is where many quantities that had no zero yet begin.
"""

LEAST_PART: Final = 0.03
"""A slice of which so much more than before lies at a placeholder holds it; its 101 percentiles tell no less."""

LEAST_ROWS: Final = 2
"""What one row of a few holds is a value."""

COUNTED_TEXTS: Final = ("percent_unseen", "percent_format_mismatch", "percent_unparsable")

ISOLATED: Final = 0.25
"""A value that stands so far from all others, in parts of the baseline's spread (5th to 95th percentile), is no measurement."""


def sentinel(evidence: Evidence) -> Finding | None:
    """One number far from all others, or a usual placeholder, in many rows in which it was not before."""
    now, was = evidence.now, evidence.baseline or evidence.before
    is_measured = evidence.measured("percent_sentinel") > 100 * (SENTINEL_SHARE + (_usual_share(was) if was is not None else 0.0))
    if now is None or was is None or not now.filled:
        return NAMED_BY_METRIC["percent_sentinel"] if is_measured else None
    share, item = max(((_sentinel_share(item, evidence), item) for item in now.items), default=(0.0, ""))
    if share < SENTINEL_SHARE:
        return NAMED_BY_METRIC["percent_sentinel"] if is_measured else None
    if few_numbers(was) and few_numbers(now) and not _is_usual(item):
        return unseen_values([item], share)  # of a few grades or codes, another one
    return placeholder(item, share, was.share(item))


def missing_text(evidence: Evidence) -> Finding | None:
    """Many strings say that there is no value, where the baseline's do not.

    >>> was = Look(count=900, items={"basic": 600, "plus": 300})
    >>> missing_text(Evidence(Look(count=100, items={"basic": 50, "plus": 20, "n/a": 30}), was)).what
    '30.0 % of its values are n/a, 0.0 % in the baseline'
    """
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or now.mean is not None or was.mean is not None or not now.filled:
        return None
    grown = {text: now.share(text) - _usual(text, was, evidence) for text in now.items if is_missing_text(text)}
    text, more = max(grown.items(), key=lambda one: (one[1], one[0]), default=("", 0.0))
    usual = _usual(text, was, evidence)
    if more < (SENTINEL_SHARE if usual == 0 else FLOOD_SHARE):
        return None
    return placeholder(text, now.share(text), was.share(text))


def _usual(text: str, was: Look, evidence: Evidence) -> float:
    return max(was.share(text), evidence.before.share(text) if evidence.before is not None else 0.0)


def placeholder(item: str, share: float, usual: float) -> Finding:
    """A value that stands for missing ones, in a part of the rows.

    >>> placeholder("-999.0", 0.31, 0.0).what
    '31.0 % of its values are -999, 0.0 % in the baseline'
    """
    shown = harmless(item.removesuffix(".0"), 40)
    what = f"{100 * share:.1f} % of its values are {shown}, {100 * usual:.1f} % in the baseline"
    return Finding("sentinel", what, "a placeholder for missing values", evidence="frequent_items", part=share, item=item)


def placeholder_in(whole: Finding, evidence: Evidence) -> Finding | None:
    """The placeholder of all rows in a slice, of which its percentiles tell how many rows hold it; None where few do.

    Of a slice only the numbers that are frequent in the baseline are counted one by one.

    >>> was = Look(count=900, least=1.0, greatest=100.0, quantiles=tuple(np.linspace(1.0, 100.0, 101)))
    >>> now = Look(count=60, quantiles=(-1.0,) * 48 + was.quantiles[48:])
    >>> placeholder_in(Finding("sentinel", item="-1"), Evidence(now, was)).what
    '47.5 % of its values are -1, 0.0 % in the baseline'
    """
    now, was, value = evidence.now, evidence.baseline, None if whole.item is None else number_in(whole.item)
    if whole.item is not None and value is None:
        return _text_in(whole.item, evidence)
    if whole.item is None or value is None or now is None or was is None or len(was.quantiles) != 101 or not now.quantiles:
        return None
    if whole.item in now.items:
        part, usual = now.share(whole.item), was.share(whole.item)
    else:
        part, usual = _near(value, now, was), _near(value, was, was)
    return placeholder(whole.item, part, usual) if part - usual >= LEAST_PART else None


def _text_in(item: str, evidence: Evidence) -> Finding | None:
    """The text of all rows in a slice: what is counted there of strings that are none of the baseline's, or of another form."""
    was, now = evidence.baseline, evidence.now
    usual = was.share(item) if was is not None else 0.0
    part = max(evidence.measured(metric) / 100 for metric in COUNTED_TEXTS)
    part = now.share(item) if now is not None and item in now.items else part
    return placeholder(item, part, usual) if part - usual >= LEAST_PART else None


def _usual_share(was: Look) -> float:
    """The share of the baseline's rows that hold what looks like a placeholder: a file may name it as one."""
    return sum(was.share(item) for item in was.items if is_missing_text(item) or _is_usual(item))


def _near(value: float, look: Look, was: Look) -> float:
    """The share of a look's values that lie no further from a value than the baseline's percentiles beside it do."""
    percentiles, values = np.array(was.quantiles), np.array(look.quantiles)
    if was.least is not None and value < was.least:
        return float((values < was.least).mean())
    if was.greatest is not None and value > was.greatest:
        return float((values > was.greatest).mean())
    low = percentiles[max(int(np.searchsorted(percentiles, value, side="left")) - 1, 0)]
    high = percentiles[min(int(np.searchsorted(percentiles, value, side="right")), percentiles.size - 1)]
    return float(((values >= low) & (values <= high)).mean())


def _is_usual(item: str) -> bool:
    """Whether a number is written where one is missing: -1, or nothing but nines.

    >>> [_is_usual(item) for item in ("-1", "99999999.0", "-999", "77", "9", "6")]
    [True, True, True, False, False, False]
    """
    value = number_in(item)
    return value in KNOWN_SENTINELS or re.fullmatch(r"-?99+(\.0)?", item) is not None


def _sentinel_share(item: str, evidence: Evidence) -> float:
    """The share of the rows that hold a value which looks like a placeholder; 0 where it does not, or was as frequent before."""
    now, was, value = evidence.now, evidence.baseline or evidence.before, number_in(item)
    if now is None or was is None or value is None or was.least is None or was.greatest is None:
        return 0.0
    share = now.share(item)
    usual = max(was.share(item), evidence.before.share(item) if evidence.before is not None else 0.0)
    if now.items.get(item, 0) < LEAST_ROWS:
        return 0.0
    if share - usual < SENTINEL_SHARE or len(was.quantiles) != 101 or len(now.quantiles) != 101:
        return 0.0
    others = [quantile for quantile in now.quantiles if quantile != value]
    if not others:  # every row holds it: a source that stands still, unless nobody could have measured it
        return share if value in KNOWN_SENTINELS and value != 0 and not was.least <= value <= was.greatest else 0.0
    spread = max(was.quantiles[95] - was.quantiles[5], float(np.subtract(*np.percentile(others, [95, 5]))), 1e-12)
    alone = min(abs(other - value) for other in others) >= ISOLATED * spread
    outside = not was.least <= value <= was.greatest
    if evidence.is_code and value not in KNOWN_SENTINELS:
        return 0.0  # another name, not a measurement that is missing
    strange = [other for other in others if not was.least <= other <= was.greatest]
    alone |= value in KNOWN_SENTINELS and value != 0 and len(strange) <= max(1.0, FEW_BESIDE * 100 * share)
    flood = value in KNOWN_SENTINELS and share - usual >= FLOOD_SHARE
    return share if (outside and alone) or flood else 0.0
