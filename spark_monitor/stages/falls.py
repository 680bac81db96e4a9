"""What model_metrics say of a fall: its failing windows together beside the windows before, in all rows, slices and estimates."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import takewhile
from typing import Final

from spark_monitor.diagnosis.causes import worst_group
from spark_monitor.diagnosis.episodes import Windows
from spark_monitor.diagnosis.falls import Fall, Score, mean
from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.slice_causes import is_clear, slice_causes
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.sources.baseline import Baseline
from spark_monitor.stages.context import Run
from spark_monitor.stages.model_values import Values, rows_of_metrics, searched_scores, values_of
from spark_monitor.stages.scored_rows import ESTIMATED, REALISED
from spark_monitor.text.formatting import slice_name

BEFORE_WINDOWS: Final = 4
"""A fall is held against the mean of so many windows before its incident opened, weighted by their rows."""

BEFORE_REACH: Final = 12
"""They are looked for among so many: what the model did long ago says little of now."""

DOUBTED: Final = 2
"""So many windows just before a fall surely shows may be part of it."""

LEAST_BEFORE: Final = 2
SURELY: Final = 2.5
MUCH_NEARER: Final = 0.5
"""One is where it differs from before by so many standard errors, and from the fall by half of that at most."""

MOST_WINDOWS: Final = 50
"""So many failing windows of a version are looked at, evenly spread over all."""

BASE_RATE: Final = "base_rate"


Moment = tuple[str | None, int]
"""A model version in a window, by its start."""


@dataclass(frozen=True)
class Asked:
    """Which rows a problem's causes need."""

    metric: str
    granularity: str
    place: Slice
    """All rows, or the one slice that fails."""

    lower_is_worse: bool
    now: tuple[Moment, ...]
    before: tuple[int, ...]
    estimated: tuple[Moment, ...]
    """Where estimates count: in windows that are calibrated by none of the problem's own."""

    known: tuple[int, ...] = ()
    """The windows before, and as many more as there are doubted ones."""

    doubted: tuple[int, ...] = ()
    """The windows just before, which may be part of it, the latest first."""

    began: int | None = None
    """The window in which it began, where that is one of these."""

    @property
    def versions(self) -> set[str | None]:
        """The versions that fail."""
        return {version for version, _ in self.now}


def needs_causes(problem: Problem) -> bool:
    """Whether a problem is one of a model's metrics."""
    return problem.main.first.track == MODEL


def falls_of(run: Run, baseline: Baseline, problems: Sequence[Problem], windows: Windows) -> dict[int, Fall]:
    """The fall of each problem of a model metric, by the problem's ``id``: one query, none where no model metric fails.

    Where the worst slices are searched, one more tells of slices that the monitor's file does not name.
    """
    broken = broken_windows(problems)
    asked = {
        id(one): wanted
        for one in problems
        if needs_causes(one) and (wanted := asked_of(one, windows, run.schedule.horizon, broken)) is not None
    }
    if not asked:
        return {}
    metrics, starts = sorted({one.metric for one in asked.values()}), _starts(asked.values())
    values = values_of(rows_of_metrics(run, {*metrics, BASE_RATE}, starts))
    searched = values_of(searched_scores(run, baseline, metrics, starts)) if run.config.worst_slices is not None else {}
    edges = {start: (start, end) for several in windows.values() for start, end in several}
    falls = {}
    for one in problems:
        if id(one) in asked:
            wanted = since_it_began(asked[id(one)], values.get(asked[id(one)].granularity, {}))
            falls[id(one)] = fall(wanted, values.get(wanted.granularity, {}), searched.get(wanted.granularity, {}))
            if wanted.began is not None:
                one.main.began = edges.get(wanted.began)
    return {about: one for about, one in falls.items() if one is not None}


def since_it_began(asked: Asked, values: Values) -> Asked:
    """The evidence of a fall, with the windows just before it that are part of it although no check could decide so.

    They are where the metric, in all rows or in the slice that clearly explains the fall, is surely not what it was before, and
    much nearer to what it fell to.
    """
    reference = replace(asked, before=tuple(start for start in asked.known if start not in asked.doubted)[-BEFORE_WINDOWS:])
    latest_fall = fall(reference, values) if len(reference.before) >= LEAST_BEFORE else None
    if latest_fall is None or not latest_fall.is_worse:
        return asked
    clear = [cause for cause in slice_causes(latest_fall)[:1] if cause.kind == "slice" and is_clear(latest_fall, cause)]
    places = [asked.place, *(one for one in latest_fall.slices_now if any(slice_name(*one) == cause.what for cause in clear))]
    begun: list[int] = []
    for start in asked.doubted:
        if not any(_is_part(reference, start, place, values) for place in places):
            break
        begun.append(start)
    if not begun:
        return asked
    now = [(version, start) for start in sorted(begun) for version in sorted(asked.versions, key=repr)]
    return replace(reference, now=(*now, *asked.now), began=min(begun))


def _is_part(reference: Asked, start: int, place: Slice, values: Values) -> bool:
    """Whether a window just before a fall shows it in a place."""
    here = _at([(version, start) for version in reference.versions], reference.metric, REALISED, place, values)
    now = _at(reference.now, reference.metric, REALISED, place, values)
    before = _before(reference, reference.metric, REALISED, place, values)
    if here is None or now is None or before is None:
        return False
    moved = here.value - before.value
    is_sure = abs(moved) >= SURELY * math.hypot(here.error, before.error) and here.error > 0
    is_same_way = (moved < 0) == (now.value < before.value)
    return is_sure and is_same_way and abs(here.value - now.value) <= MUCH_NEARER * abs(moved)


def broken_windows(problems: Iterable[Problem]) -> frozenset[tuple[str, int]]:
    """The windows, by granularity and start, in which a model fails in all rows: what it does there is not what it did before."""
    groups = (group for one in problems for group in one.groups if group.track == MODEL and group.whole)
    return frozenset((group.granularity, group.start) for group in groups)


def asked_of(
    problem: Problem, windows: Windows, horizon: timedelta | None, broken: Collection[tuple[str, int]] = ()
) -> Asked | None:
    """The evidence of a fall: every version and window in which its metric fails, for one window may be chance.

    It is held against the last windows before it that are not ``broken`` themselves, of twelve at most; of those before where
    all are.
    """
    worst = worst_group(problem)
    if worst is None:
        return None
    metric, place = worst.failing[0].metric, problem.slice
    groups = [group for group in problem.groups if group.track == MODEL and group.granularity == worst.granularity]
    failing = [(one, group.start) for group in groups for one in group.failing if one.metric == metric]
    in_place = [(one, start) for one, start in failing if one.slice == place] or failing
    now = sorted({(one.version, start) for one, start in in_place}, key=lambda moment: (moment[1], moment[0] or ""))
    starts = [start for start, _ in windows.get(worst.granularity, ())]
    first = bisect_left(starts, problem.opened)
    calibrated_from = math.inf if horizon is None else problem.opened + int(horizon.total_seconds() * 1_000_000)
    return Asked(
        metric,
        worst.granularity,
        place,
        _lower_is_worse(worst),
        spread(now, MOST_WINDOWS),
        before_of(problem.opened, worst.granularity, windows, broken),
        spread([one for one in now if one[1] < calibrated_from] or now[:1], MOST_WINDOWS),
        before_of(problem.opened, worst.granularity, windows, broken, most=BEFORE_WINDOWS + DOUBTED),
        tuple(takewhile(lambda start: (worst.granularity, start) not in broken, reversed(starts[:first][-DOUBTED:]))),
    )


def before_of(
    opened: int, granularity: str, windows: Windows, broken: Collection[tuple[str, int]], *, most: int = BEFORE_WINDOWS
) -> tuple[int, ...]:
    """The starts of the windows that what opened at a timestamp is held against."""
    starts = [start for start, _ in windows.get(granularity, ())]
    first = bisect_left(starts, opened)
    earlier = [start for start in starts[max(0, first - BEFORE_REACH) : first] if (granularity, start) not in broken]
    return tuple((earlier or starts[:first])[-most:])


def spread(moments: Sequence[Moment], most: int) -> tuple[Moment, ...]:
    """At most so many, evenly spread over all.

    >>> spread([("1", start) for start in range(5)], 3)
    (('1', 0), ('1', 2), ('1', 4))
    """
    if len(moments) <= most:
        return tuple(moments)
    return tuple(moments[round(place * (len(moments) - 1) / (most - 1))] for place in range(most))


def _lower_is_worse(group: Group) -> bool:
    return (group.failing[0].expected or "").startswith(">")


def _starts(asked: Iterable[Asked]) -> list[int]:
    """The windows whose values are asked for."""
    several = ((*one.known, *one.before, *one.doubted, *(at for _, at in (*one.now, *one.estimated))) for one in asked)
    return sorted({start for starts in several for start in starts})


def fall(asked: Asked, values: Values, searched: Values | None = None) -> Fall | None:
    """A fall from the values; None where there is no value before it or none now."""
    now, before = _now_and_before(asked, values)
    searched_now, searched_before = _now_and_before(asked, searched or {})
    own_now, own_before = now.get(asked.place), before.get(asked.place)
    if own_now is None or own_before is None:
        return None
    estimated = _at(asked.estimated, asked.metric, ESTIMATED, asked.place, values)
    estimated_before = _before(asked, asked.metric, ESTIMATED, asked.place, values)
    return Fall(
        asked.metric,
        asked.lower_is_worse,
        own_now,
        own_before,
        {one: score for one, score in now.items() if one != WHOLE},
        {one: score for one, score in before.items() if one != WHOLE},
        None if estimated is None else estimated.value,
        None if estimated_before is None else estimated_before.value,
        _at(asked.now, BASE_RATE, REALISED, asked.place, values),
        _before(asked, BASE_RATE, REALISED, asked.place, values),
        asked.place,
        searched_now,
        searched_before,
    )


def _now_and_before(asked: Asked, values: Values) -> tuple[dict[Slice, Score], dict[Slice, Score]]:
    """The metric in every slice that has values."""
    slices = sorted({key[4] for key in values if key[0] == asked.metric}, key=repr)
    now = {one: _at(asked.now, asked.metric, REALISED, one, values) for one in slices}
    before = {one: _before(asked, asked.metric, REALISED, one, values) for one in slices}
    return _present(now), _present(before)


def _present(scores: Mapping[Slice, Score | None]) -> dict[Slice, Score]:
    return {one: score for one, score in scores.items() if score is not None}


def _at(moments: Iterable[Moment], metric: str, basis: str, slice_: Slice, values: Values) -> Score | None:
    """The mean over some versions and windows."""
    scores = [values.get((metric, version, start, basis, slice_)) for version, start in moments]
    return mean([score for score in scores if score is not None])


def _before(asked: Asked, metric: str, basis: str, slice_: Slice, values: Values) -> Score | None:
    """The mean of the windows before, of the versions themselves; of versions that were not there then, of all others."""
    same_versions = _at([(version, start) for version in asked.versions for start in asked.before], metric, basis, slice_, values)
    if same_versions is not None:
        return same_versions
    others = sorted({key[1] for key in values if key[0] == metric}, key=repr)
    return _at([(version, start) for version in others for start in asked.before], metric, basis, slice_, values)
