"""Categories that are others: exchanged, renamed, or never seen before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from spark_monitor.diagnosis.findings import NAMED_BY_METRIC, Finding
from spark_monitor.diagnosis.looks import LEAST_ROWS, Evidence, Look
from spark_monitor.diagnosis.zones import hours_of, is_of_a_day
from spark_monitor.quality.permutation import FREELY, has_grown, misfit, misfit_of_rest
from spark_monitor.text.formatting import harmless

NEW_SHARE: Final = 0.01
"""Values that were not there before are worth naming from this share of the rows on."""

KNOWN_SHARE: Final = 0.98
"""Frequent values that hold so much of the baseline's rows are its categories."""

SWAPPED, SAME = 0.2, 0.03
"""Total variation between two lists of shares: that much by name, and by rank no more than this and noise, exchanges names."""

SWAPPED_CLEARLY, NOISES, LEFT = 0.1, 5.0, 1.5
"""By name that much, and so many times the noise, is enough where by rank no more is left than 1.5 times the noise.

Of shares that shifted in some other way one in forty looks so at most, mostly one in a hundred (simulated, 330 to 10,000 rows).
"""

EXCHANGED: Final = "its categories have exchanged their frequencies"
RENAMED: Final = 0.8
"""Where so many of the rows have names that were not there before, all categories have other names."""


def encoding_swap(evidence: Evidence) -> Finding | None:
    """The same categories with exchanged frequencies, or damaged texts."""
    now, was = evidence.now, evidence.baseline
    if evidence.measured("category_permutation") > 0 and not _has_grown(now, was):
        return NAMED_BY_METRIC["category_permutation"]
    listed = was is not None and (_listed(was) or few_numbers(was))
    if now is None or was is None or now.filled < LEAST_ROWS or not 2 <= len(was.items) <= 1000 or not listed:
        return None
    names = sorted({*now.items, *was.items})
    one, two = [was.share(name) for name in names], [now.share(name) for name in names]
    by_name = sum(abs(a - b) for a, b in zip(one, two, strict=True)) / 2
    by_rank = sum(abs(a - b) for a, b in zip(sorted(one), sorted(two), strict=True)) / 2
    noise = math.sqrt(len(names) / (6 * now.filled))
    is_swapped = by_name >= SWAPPED and by_rank <= SAME + noise
    is_swapped |= by_name >= max(SWAPPED_CLEARLY, NOISES * noise) and by_rank <= LEFT * noise
    if not is_swapped or by_rank > by_name / 3:
        return None
    if _one_alone_moved(one, two, 1 / now.filled + 1 / was.filled) or _has_grown(now, was):
        return None
    new = sum(now.share(name) for name in now.items if was.share(name) == 0)
    if NEW_SHARE < new < RENAMED and _known_apart(now, was) < SWAPPED:
        return None  # some values alone have another name: they were not seen before
    are_names = not few_numbers(was) or evidence.is_code or _are_codes(was)
    if not are_names and (new >= NEW_SHARE or _moved_by_a_step(was, now) or _keeps_order(was, now) or _are_hours(evidence)):
        return None  # counts and grades that have become others have moved: they are no names
    what = "its categories have other names" if new >= RENAMED else EXCHANGED
    return Finding("encoding_swap", what, "they were re-coded", evidence="frequent_items")


def _has_grown(now: Look | None, was: Look | None) -> bool:
    """Whether one category has grown at the cost of all others, as far as rows tell."""
    if now is None or was is None or not now.items or not was.items:
        return False
    names = sorted({*now.items, *was.items})
    return has_grown(*(np.array([look.items.get(name, 0) for name in names], dtype=np.float64) for look in (was, now)))


def _one_alone_moved(one: Sequence[float], two: Sequence[float], v: float) -> bool:
    """Whether one category has become more or less frequent while the others keep their proportions: then nothing is exchanged.

    Shares ordered by size may happen to be alike then, and where each is about the same part of the one before, names that go
    round look as if one alone had moved. The likelier is taken: of the same shares under other names all must fit, of one that
    moved alone the others, and it may be anything. ``v`` is 1/n + 1/m.
    """
    shares = np.array([one, two], dtype=np.float64)
    if shares.shape[1] <= 2:
        return False
    alone = min(misfit_of_rest(shares, place, v) for place in range(shares.shape[1]))
    return alone + FREELY < misfit(np.sort(shares, axis=1), v)


def _moved_by_a_step(was: Look, now: Look) -> bool:
    """Whether whole numbers are those of before, each so many more or fewer: then their frequencies only look exchanged.

    >>> was = Look(count=9, mean=2.0, items={"1": 5, "2": 3, "3": 1})
    >>> now = Look(count=9, mean=3.0, items={"2": 5, "3": 3, "4": 1})
    >>> _moved_by_a_step(was, now), _moved_by_a_step(was, was)
    (True, False)
    """
    one, two = was.atoms, now.atoms
    if len(one) == len(("no", "yes")) and set(one) == set(two):
        return False  # the same two values: what one had, the other has
    steps = {int(after - before) for after in two for before in one} - {0}

    def apart(step: int) -> float:
        values = {*two, *(value + step for value in one)}
        return sum(abs(two.get(v, 0) / now.filled - one.get(v - step, 0) / was.filled) for v in values) / 2

    noise = math.sqrt(len({*one, *two}) / (6 * now.filled))
    return min(map(apart, steps), default=1.0) < max(apart(0) / 3, min(noise, apart(0) / 2))


def _keeps_order(was: Look, now: Look) -> bool:
    """Whether whole numbers, in their order, are as frequent as those of before were in theirs: each has become a larger one.

    >>> was, now = Look(count=9, items={"1": 5, "2": 3, "3": 1}), Look(count=9, items={"1": 5, "3": 3, "4": 1})
    >>> _keeps_order(was, now), _keeps_order(was, Look(count=9, items={"1": 1, "2": 5, "3": 3}))
    (True, False)
    """
    one, two = ([look.atoms[value] / look.filled for value in sorted(look.atoms)] for look in (was, now))
    size = max(len(one), len(two))
    padded = [(each + [0.0] * (size - len(each)), [0.0] * (size - len(each)) + each) for each in (one, two)]
    by_place = min(sum(abs(a - b) for a, b in zip(first, second, strict=True)) / 2 for first, second in zip(*padded, strict=True))
    values = {*was.atoms, *now.atoms}
    by_value = sum(abs(was.atoms.get(v, 0) / was.filled - now.atoms.get(v, 0) / now.filled) for v in values) / 2
    return bool(by_place < by_value / 3)


def _are_hours(evidence: Evidence) -> bool:
    """Whether numbers are hours of the day, which go round where their zone is another one."""
    was = evidence.baseline
    return was is not None and is_of_a_day(was, evidence.name) and hours_of(was) is not None


def _known_apart(now: Look, was: Look) -> float:
    """The total variation between the shares that values which both have, have among themselves."""
    common = [name for name in was.items if now.items.get(name, 0) > 0]
    one, two = [was.items[name] for name in common], [now.items[name] for name in common]
    return sum(abs(a / max(sum(one), 1) - b / max(sum(two), 1)) for a, b in zip(one, two, strict=True)) / 2


def unseen(evidence: Evidence) -> Finding | None:
    """Categories that the baseline does not have."""
    now, was = evidence.now, evidence.baseline
    if now is None or was is None or not now.filled or not (_listed(was) or evidence.is_code or _are_read_as_codes(now, was)):
        return None
    new = {item: rows for item, rows in now.items.items() if was.share(item) == 0}
    share = max(sum(new.values()) / now.filled, evidence.measured("percent_unseen") / 100)
    if share < NEW_SHARE:
        return None
    return unseen_values(sorted(new, key=lambda item: (-new[item], item)), share)


def unseen_values(names: Sequence[str], share: float) -> Finding:
    """What values are called that were not there before, those of most rows first."""
    shown = ", ".join(harmless(name.removesuffix(".0"), 30) for name in names[:3])
    named = f" ({shown})" if shown else ""
    return Finding(
        "unseen_category",
        f"{100 * share:.1f} % of its values were not seen before{named}",
        evidence="percent_unseen",
        part=share,
    )


def _are_read_as_codes(now: Look, was: Look) -> bool:
    return _are_codes(was) and few_numbers(now)


def _listed(look: Look) -> bool:
    """Whether a column's categories are all known: texts whose frequent values hold nearly all rows."""
    return look.mean is None and look.filled > 0 and sum(look.items.values()) >= KNOWN_SHARE * look.filled


MOST_CODES: Final = 50
GAPS: Final = 2.0
"""Whole numbers of a range so many times as long as they are many are names, not quantities."""


def few_numbers(look: Look) -> bool:
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
    if not few_numbers(look):
        return False
    numbers = sorted(int(value) for value in look.atoms)
    return numbers[-1] - numbers[0] + 1 >= GAPS * len(numbers) and math.gcd(*numbers) == 1
