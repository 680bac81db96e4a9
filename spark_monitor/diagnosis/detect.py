"""Evidence to findings: one small function for each way in which a column can be broken, asked in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeGuard

import numpy as np

from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.looks import Evidence, Look, number_in
from spark_monitor.diagnosis.texts import cut, damaged
from spark_monitor.diagnosis.units import LEAST_CHANGE, UNKNOWN_CHANGE, Fit, distance, unit_fit, unit_name
from spark_monitor.diagnosis.zones import rotated_hours
from spark_monitor.text.wording import harmless, number

MISSING_STEP: Final = 5.0
"""So many more NULLs, in percent of the rows, than before and than in the baseline are missing values."""

CHANCE: Final = 2.5
"""And so many standard errors, of few rows."""

NEW_SHARE: Final = 0.01
"""Values that were not there before are worth naming from this share of the rows on."""

KNOWN_SHARE: Final = 0.98
"""Frequent values that hold so much of the baseline's rows are its categories."""

SENTINEL_SHARE: Final = 0.02
FLOOD_SHARE: Final = 0.2
"""A usual placeholder that is a possible measurement as well, such as 0, must have become so much more frequent."""

SWAPPED, SAME = 0.2, 0.03
"""Total variation between two lists of shares: that much by name, and by rank no more than this and noise, exchanges names."""

RENAMED: Final = 0.8
"""Where so many of the rows have names that were not there before, all categories have other names."""

LEAST_ROWS: Final = 50
"""Of fewer rows the shape of a distribution says nothing about units, exchanged names or stuck values."""

Detector = Callable[[Evidence], Finding | None]


def finding_of(evidence: Evidence, metrics: frozenset[str], *, answers: bool = False) -> Finding:
    """The finding of one column in one window: the first fault that the evidence shows, else drift.

    ``metrics`` are those that fail; the evidence need not have had a rule. ``answers`` are a model's own: they move with its
    inputs, and have no unit.

    >>> now, was = Look(count=100, nulls=100), Look(count=100)
    >>> finding_of(Evidence(now, was), frozenset({"percent_null"})).kind
    'missing'
    """
    for detector in OF_ANSWERS if answers else DETECTORS:
        finding = detector(evidence)
        if finding is not None:
            return replace(finding, abrupt=not is_steady(evidence))
    named = named_by_metrics(metrics)
    if named != DRIFT or evidence.now is None or evidence.before is None:
        return named
    return replace(named, abrupt=not is_steady(evidence))


STEADY: Final = 0.1
"""A column whose distribution and missing values differ from the window before by less has not changed in this window."""


def is_steady(evidence: Evidence) -> bool:
    """Whether a column looks as it did in the window before."""
    now, before = evidence.now, evidence.before
    if now is None or before is None or abs(now.percent_null - before.percent_null) > MISSING_STEP:
        return False
    moved = apart(before, now)
    return moved is not None and moved <= STEADY


def apart(one: Look, two: Look) -> float | None:
    """How far two looks at a column lie apart: about the KS distance, of texts the total variation; None where not known."""
    if len(one.quantiles) == len(two.quantiles) == 101:
        return distance(np.array(one.quantiles), np.array(two.quantiles))
    if one.mean is not None or two.mean is not None:
        return None
    names = {*one.items, *two.items}
    return sum(abs(one.share(name) - two.share(name)) for name in names) / 2


NAMED_BY_METRIC: Final[Mapping[str, Finding]] = {
    "percent_null": Finding("missing", "values are missing"),
    "percent_nan": Finding("missing", "values are NaN"),
    "percent_empty": Finding("missing", "texts are empty"),
    "correlation_shift": Finding("drift", "they no longer move together as they did"),
    "is_stuck": Finding("stuck", "its values hardly vary any more"),
    "is_constant": Finding("stuck", "it has one value alone"),
    "percent_sentinel": Finding("sentinel", "placeholder values stand where measurements were"),
    "percent_unseen": Finding("unseen_category", "it has values that were not seen before"),
    "percent_format_mismatch": Finding("unseen_category", "its texts have another format"),
    "percent_whitespace": Finding("unseen_category", "its texts have spaces around them"),
    "percent_mojibake": Finding("encoding_swap", "its texts are damaged", "they were read in another encoding"),
    "category_permutation": Finding("encoding_swap", "its categories have exchanged their frequencies", "re-coded"),
    "percent_unparsable": Finding("schema_change", "its texts no longer parse as numbers"),
    "percent_duplicated_values": Finding("duplicated_window", "values that should be unique are there more than once"),
    "unit_factor": Finding("unit_change", "its values are in another scale", "another unit"),
}
"""What a failing quality metric says where the evidence itself is not at hand."""


def named_by_metrics(metrics: frozenset[str]) -> Finding:
    """What the names of the failing metrics say.

    >>> named_by_metrics(frozenset({"ks", "is_stuck"})).kind, named_by_metrics(frozenset({"ks"})).kind
    ('stuck', 'drift')
    """
    aliases = {"percent_null_delta": "percent_null", "num_nulls": "percent_null", "num_nan": "percent_nan"}
    named = {aliases.get(metric, metric) for metric in metrics}
    return next((finding for metric, finding in NAMED_BY_METRIC.items() if metric in named), DRIFT)


def missing(evidence: Evidence) -> Finding | None:
    """More NULLs than before, or none but NULLs."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or not now.count:
        return None
    least = max(was.percent_null, evidence.before.percent_null if evidence.before is not None else 0.0)
    p = now.percent_null / 100
    chance = 100 * CHANCE * math.sqrt(p * (1 - p) * (1 / now.count + 1 / max(was.count, 1)))
    if now.percent_null - least < max(MISSING_STEP, chance) and not (now.nulls == now.count and least < 100):
        return None
    what = f"{now.percent_null:.1f} % of its values are missing, {was.percent_null:.1f} % in the baseline"
    return Finding("missing", what, evidence="percent_null", part=now.percent_null / 100)


def gone(evidence: Evidence) -> Finding | None:
    """The column is not there any more, or has another type."""
    now = evidence.now
    if now is None or now.status not in ("MISSING", "TYPE_CHANGED"):
        return None
    return Finding("schema_change", now.message.rstrip(".") if now.message else "the column has changed", evidence="status")


def emptied(evidence: Evidence) -> Finding | None:
    """More texts without a letter than before."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or now.mean is not None or not now.filled:
        return None
    share, usual = max(now.share(""), evidence.measured("percent_empty") / 100), was.share("")
    if 100 * (share - usual) < MISSING_STEP:
        return None
    what = f"{100 * share:.1f} % of its texts are empty, {100 * usual:.1f} % in the baseline"
    return Finding("missing", what, evidence="percent_empty", part=share)


def stuck(evidence: Evidence) -> Finding | None:
    """One value, or hardly any difference between values, where there were many."""
    now, was = evidence.now, evidence.baseline or evidence.before
    told = evidence.measured("is_stuck") > 0 or evidence.measured("is_constant") > 0
    if now is None or was is None or now.filled < LEAST_ROWS:
        return NAMED_BY_METRIC["is_stuck"] if told else None
    alone = now.distinct == 1 and (was.distinct or 0) >= 5
    narrow = bool(was.stddev) and now.stddev is not None and was.stddev is not None and now.stddev < 0.01 * was.stddev
    earlier = evidence.before.distinct if evidence.before is not None else was.distinct
    few = narrow and (now.distinct or 0) <= 0.1 * (earlier or 0)
    if not (told or alone or few):
        return None
    value = max(now.items, key=lambda item: now.items[item], default=None)
    shown = f"its value is always {harmless(value, 40)}" if alone and value is not None else "its values hardly vary any more"
    return Finding("stuck", shown, "a stuck source", evidence="distinct_count")


KNOWN_SENTINELS: Final = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, 0.0})
FEW_BESIDE: Final = 0.2
"""A usual placeholder outside the baseline's range is one where so few others, for each of it, are outside as well.

Zero is not: it is where many quantities that had no zero yet begin.
"""

ISOLATED: Final = 0.25
"""A value that stands so far from all others, in parts of the baseline's spread (5th to 95th percentile), is no measurement."""


def sentinel(evidence: Evidence) -> Finding | None:
    """One number far from all others, or a usual placeholder, in many rows in which it was not before."""
    now, was = evidence.now, evidence.baseline or evidence.before
    told = evidence.measured("percent_sentinel") > 100 * SENTINEL_SHARE
    if now is None or was is None or not now.filled:
        return NAMED_BY_METRIC["percent_sentinel"] if told else None
    share, item = max(((_sentinel_share(item, evidence), item) for item in now.items), default=(0.0, ""))
    if share < SENTINEL_SHARE:
        return NAMED_BY_METRIC["percent_sentinel"] if told else None
    shown = item.removesuffix(".0")
    what = f"{100 * share:.1f} % of its values are {harmless(shown, 40)}, {100 * was.share(item):.1f} % in the baseline"
    return Finding("sentinel", what, "a placeholder for missing values", evidence="frequent_items", part=share)


def _sentinel_share(item: str, evidence: Evidence) -> float:
    """The share of the rows that hold a value which looks like a placeholder; 0 where it does not, or was as frequent before."""
    now, was, value = evidence.now, evidence.baseline or evidence.before, number_in(item)
    if now is None or was is None or value is None or was.least is None or was.greatest is None:
        return 0.0
    share = now.share(item)
    usual = max(was.share(item), evidence.before.share(item) if evidence.before is not None else 0.0)
    if share - usual < SENTINEL_SHARE or len(was.quantiles) != 101 or len(now.quantiles) != 101:
        return 0.0
    others = [quantile for quantile in now.quantiles if quantile != value]
    if not others:
        return 0.0
    spread = max(was.quantiles[95] - was.quantiles[5], float(np.subtract(*np.percentile(others, [95, 5]))), 1e-12)
    alone = min(abs(other - value) for other in others) >= ISOLATED * spread
    outside = not was.least <= value <= was.greatest
    strange = [other for other in others if not was.least <= other <= was.greatest]
    alone |= value in KNOWN_SENTINELS and value != 0 and len(strange) <= FEW_BESIDE * 100 * share
    flood = value in KNOWN_SENTINELS and share - usual >= FLOOD_SHARE
    return share if (outside and alone) or flood else 0.0


def unit_change(evidence: Evidence) -> Finding | None:
    """All values are those of before times a factor."""
    now, told = evidence.now, evidence.quality.get("unit_factor")
    if now is not None and len(now.quantiles) == 101:
        fit = _fit(evidence)
        return None if fit is None else of_fit(fit)
    if told is None:
        return None
    if "factor" in told.details:
        return of_fit(Fit(float(told.details["factor"]), float(told.details.get("offset", "0")), name=told.details.get("known")))
    return scaled(told.value, unit_name(told.value)) if is_unit(told.value) else None


def _fit(evidence: Evidence) -> Fit | None:
    """The change from the window before, else from the baseline."""
    now = evidence.now
    if not _has_shape(now):
        return None
    known = [look for look in (evidence.before, evidence.baseline) if _has_shape(look)]
    atoms = {value: rows for look in reversed(known) for value, rows in look.atoms.items()}
    fits = [
        unit_fit(was.quantiles, now.quantiles, atoms_before=atoms, atoms=now.atoms, rows=(was.filled, now.filled))
        for was in known
    ]
    exact = next((fit for fit in fits if fit is not None and fit.exact), None)
    if exact is not None or not fits:
        return exact
    # The shape alone may fit by chance: where the column has changed just now, it must fit both what was before and the baseline.
    if len(fits) > 1 and fits[0] is None and not is_steady(evidence):
        return None
    return fits[-1]


def _has_shape(look: Look | None) -> TypeGuard[Look]:
    return look is not None and len(look.quantiles) == 101 and look.filled >= LEAST_ROWS


def exact_unit(evidence: Evidence) -> Finding | None:
    """All values are those of before times a factor, as single values tell."""
    fit = _fit(evidence)
    return of_fit(fit) if fit is not None and fit.exact else None


def of_fit(fit: Fit) -> Finding:
    """What a change of unit is called."""
    if fit.factor == -1.0:
        return Finding("unit_change", "values have the opposite sign of the baseline's", "the sign is flipped", factor=-1.0)
    if fit.offset:
        offset = f"{'+' if fit.offset > 0 else '-'} {number(abs(fit.offset))}"
        what = f"values are {fit.factor:.4g} times the baseline's {offset}"
        return Finding("unit_change", what, f"another unit, {fit.name}", factor=fit.factor, evidence="quantiles")
    return scaled(fit.factor, fit.name)


def is_unit(factor: float) -> bool:
    """Whether a measured factor is worth the name: a known unit's, or so large that no drift is; factors near 1 fit every column.

    >>> is_unit(1.609344), is_unit(0.9931), is_unit(1.933), is_unit(250.0)
    (True, False, False, True)
    """
    if factor <= 0:
        return factor == -1.0
    change = max(factor, 1 / factor)
    return change >= UNKNOWN_CHANGE or (change >= LEAST_CHANGE and unit_name(factor) is not None)


def scaled(factor: float, name: str | None) -> Finding:
    """A change of unit by a factor.

    >>> scaled(1.609344, "miles to kilometres").what
    "values are 1.609 times the baseline's"
    """
    shown = f"another unit, {name}" if name else "another unit or scale"
    return Finding("unit_change", f"values are {factor:.4g} times the baseline's", shown, factor=factor, evidence="quantiles")


def encoding_swap(evidence: Evidence) -> Finding | None:
    """The same categories with exchanged frequencies, or damaged texts."""
    now, was = evidence.now, evidence.baseline
    if evidence.measured("category_permutation") > 0:
        return NAMED_BY_METRIC["category_permutation"]
    listed = was is not None and (_listed(was) or _few_numbers(was))
    if now is None or was is None or now.filled < LEAST_ROWS or not 2 <= len(was.items) <= 1000 or not listed:
        return None
    names = sorted({*now.items, *was.items})
    one, two = [was.share(name) for name in names], [now.share(name) for name in names]
    by_name = sum(abs(a - b) for a, b in zip(one, two, strict=True)) / 2
    by_rank = sum(abs(a - b) for a, b in zip(sorted(one), sorted(two), strict=True)) / 2
    noise = math.sqrt(len(names) / (6 * now.filled))
    if by_name < SWAPPED or by_rank > SAME + noise or by_rank > by_name / 3:
        return None
    if _one_alone_moved(one, two, by_rank):
        return None
    new = sum(now.share(name) for name in now.items if was.share(name) == 0)
    if NEW_SHARE < new < RENAMED and _known_apart(now, was) < SWAPPED:
        return None  # some values alone have another name: they were not seen before
    what = "its categories have other names" if new >= RENAMED else "its categories have exchanged their frequencies"
    return Finding("encoding_swap", what, "they were re-coded", evidence="frequent_items")


def _one_alone_moved(one: Sequence[float], two: Sequence[float], room: float) -> bool:
    """Whether one category has become more or less frequent while the others keep their proportions, but for less than ``room``.

    Then nothing is exchanged, though the shares ordered by size may happen to be alike.
    """
    shares = np.array([one, two], dtype=np.float64)
    for place in range(len(one) if len(one) > 2 else 0):
        rest = np.delete(shares, place, axis=1)
        totals = np.maximum(rest.sum(axis=1, keepdims=True), 1e-12)
        if np.abs(np.subtract(*(rest / totals))).sum() / 2 * totals.min() < room:
            return True
    return False


def _known_apart(now: Look, was: Look) -> float:
    """The total variation between the shares that values which both have, have among themselves."""
    known = [name for name in was.items if now.items.get(name, 0) > 0]
    one, two = [was.items[name] for name in known], [now.items[name] for name in known]
    return sum(abs(a / max(sum(one), 1) - b / max(sum(two), 1)) for a, b in zip(one, two, strict=True)) / 2


def unseen(evidence: Evidence) -> Finding | None:
    """Categories that the baseline does not have."""
    now, was = evidence.now, evidence.baseline
    if now is None or was is None or not now.filled or not (_listed(was) or (_are_codes(was) and _few_numbers(now))):
        return None
    new = {item: rows for item, rows in now.items.items() if was.share(item) == 0}
    share = max(sum(new.values()) / now.filled, evidence.measured("percent_unseen") / 100)
    if share < NEW_SHARE:
        return None
    shown = ", ".join(harmless(item, 30) for item in sorted(new, key=lambda item: (-new[item], item))[:3])
    named = f" ({shown})" if shown else ""
    return Finding(
        "unseen_category",
        f"{100 * share:.1f} % of its values were not seen before{named}",
        evidence="percent_unseen",
        part=share,
    )


def _listed(look: Look) -> bool:
    """Whether a column's categories are all known: texts whose frequent values hold nearly all rows."""
    return look.mean is None and look.filled > 0 and sum(look.items.values()) >= KNOWN_SHARE * look.filled


MOST_CODES: Final = 50
GAPS: Final = 2.0
"""Whole numbers of a range so many times as long as they are many are names, not quantities."""


def _few_numbers(look: Look) -> bool:
    """Whether a column holds some whole numbers alone, all of which are known."""
    atoms = look.atoms
    if look.mean is None or not 2 <= len(atoms) <= MOST_CODES or sum(atoms.values()) < KNOWN_SHARE * look.filled:
        return False
    return all(value == round(value) for value in atoms)


def _are_codes(look: Look) -> bool:
    """Whether some whole numbers are names: with gaps between them, and no multiples of one step.

    >>> codes = Look(count=6, mean=1.0, items={"101": 2, "102": 1, "210": 2, "305": 1})
    >>> _are_codes(codes), _are_codes(Look(count=6, mean=1.0, items={"0": 2, "1": 2, "2": 2}))
    (True, False)
    """
    if not _few_numbers(look):
        return False
    numbers = sorted(int(value) for value in look.atoms)
    return numbers[-1] - numbers[0] + 1 >= GAPS * len(numbers) and math.gcd(*numbers) == 1


DETECTORS: Final[tuple[Detector, ...]] = (
    *(gone, missing, emptied, exact_unit, rotated_hours, sentinel, unit_change, damaged, cut, stuck, encoding_swap, unseen),
)
"""From the plainest to what takes the most to see; each gives None where it sees nothing."""

OF_ANSWERS: Final[tuple[Detector, ...]] = (gone, missing, stuck)
