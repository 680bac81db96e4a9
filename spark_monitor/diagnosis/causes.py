"""What a model's fall, or the movement of its answers, is probably due to: columns, slices, labels, inputs or the concept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from spark_monitor.diagnosis.groups import Group, Slice
from spark_monitor.diagnosis.incident import Cause
from spark_monitor.diagnosis.problems import Problem, is_prior
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.text.wording import day, harmless, number, percent, slice_name
from spark_monitor.windowing.instants import instant_of

SLICES_SHOWN: Final = 4
ROUNDING: Final = 1e-5
PRODUCT: Final = "distance x importance"
CLEAR_SHARE: Final = 0.6
CLEARLY_MORE: Final = 1.3
"""A slice that explains so much of a fall, and so many times what its part of the rows would, is named before other causes."""

PRIOR_CHANGE, PRIOR_NOISE = 0.25, 4.0
"""The label's rate has changed where it moved by a quarter of what it was, and by so many standard errors."""

CONCEPT_SHARE: Final = 0.5
SOONER: Final = 2
"""A column may have begun to be off so many windows before the model's metric failed: a limit is reached by and by."""

DISTANCES: Final = ("tv_distance", "ks", "js_distance", "hellinger_distance", "l_infinity_distance", "population_stability_index")


@dataclass(frozen=True)
class Score:
    """A metric's value and the rows it rests on."""

    value: float
    count: float


@dataclass(frozen=True)
class Fall:
    """A model metric in its worst failing window beside what it was before the incident, in all rows and in slices."""

    metric: str
    lower_is_worse: bool
    now: Score
    before: Score
    slices_now: Mapping[Slice, Score] = field(default_factory=dict)
    slices_before: Mapping[Slice, Score] = field(default_factory=dict)
    estimated_now: float | None = None
    estimated_before: float | None = None
    rate_now: Score | None = None
    rate_before: Score | None = None

    @property
    def change(self) -> float:
        """How much it moved."""
        return self.now.value - self.before.value

    @property
    def is_worse(self) -> bool:
        """Whether it moved to the bad side."""
        return self.change < 0 if self.lower_is_worse else self.change > 0

    @property
    def expected_part(self) -> float | None:
        """The part of the change that the inputs alone make one expect, 0 to 1; None without estimates.

        >>> Fall("auc", True, Score(0.6, 9), Score(0.8, 9), estimated_now=0.75, estimated_before=0.8).expected_part
        0.25
        """
        if self.estimated_now is None or not self.change:
            return None
        before = self.before.value if self.estimated_before is None else self.estimated_before
        return round(min(max((self.estimated_now - before) / self.change, 0.0), 1.0), 6)


def causes_of(
    problem: Problem,
    others: Sequence[Problem],
    fall: Fall | None,
    *,
    outputs: Collection[str] = (),
    importances: Mapping[str, float] | None = None,
) -> list[Cause]:
    """The causes of a problem, the first to look at first; their shares add up to 1.

    A fall can be divided in several ways: among columns, among slices, into what the inputs make one expect and what not. The way
    of the first cause that has a share keeps its shares; those of other ways stand in their sentences alone.
    """
    is_answer = bool(problem.columns) and set(problem.columns) <= set(outputs)
    if is_prior(problem) and fall is None:
        return [OTHER_LABELS]
    if problem.main.first.track != MODEL and not is_answer:
        return []
    broken, drifted = column_causes(problem, others, outputs=outputs, importances=importances or {})
    slices = slice_causes(fall) if fall is not None and fall.is_worse else []
    prior, concept = (prior_causes(fall), concept_causes(fall)) if fall is not None and fall.is_worse else ([], [])
    clear = slices[:1] if fall is not None and slices and is_clear(fall, slices[0]) else []
    strong = [cause for cause in concept[:1] if cause.kind == "concept" and (cause.share or 0) >= CONCEPT_SHARE]
    ordered = dict.fromkeys([*broken, *clear, *prior, *strong, *drifted, *slices, *concept])
    return divided_once(list(ordered))


WAYS: Final[Mapping[str, str]] = {
    "column": "columns",
    **dict.fromkeys(("slice", "mix", "rest"), "slices"),
    **dict.fromkeys(("concept", "inputs"), "expectation"),
}


def divided_once(causes: Sequence[Cause]) -> list[Cause]:
    """The causes with the shares of one way to divide the whole alone: that of the first cause which has a share."""
    way = next((WAYS.get(cause.kind) for cause in causes if cause.share is not None), None)
    return [cause if WAYS.get(cause.kind) == way else replace(cause, share=None) for cause in causes]


OTHER_LABELS: Final = Cause(
    "prior_shift", "the label's rate", None, "The labels are spread in another way: other cases arrive than before."
)


def mix_causes(problem: Problem) -> list[Cause]:
    """Of a shift of the mix, the slice that has grown or shrunk."""
    if problem.kind != "mix_shift" or problem.shifted is None:
        return []
    return [Cause("mix", slice_name(*problem.shifted.slice), None, f"The mix of the rows: {problem.shifted.phrase}.")]


def is_clear(fall: Fall, cause: Cause) -> bool:
    """Whether one slice explains a fall: most of it, and clearly more than the rows it has."""
    weight = next((score.count for one, score in fall.slices_now.items() if slice_name(*one) == cause.what), 0.0)
    part = weight / fall.now.count if fall.now.count else 1.0
    return cause.share is not None and cause.share >= max(CLEAR_SHARE, CLEARLY_MORE * part)


def column_causes(
    problem: Problem, others: Sequence[Problem], *, outputs: Collection[str], importances: Mapping[str, float]
) -> tuple[list[Cause], list[Cause]]:
    """Columns that broke or began to drift about when a problem did: share = distance x importance, over the sum of these.

    What was off long before cannot explain a change, nor can what is well both when it begins and when it is worst. What broke
    only after the change had begun can have made it worse: it says since when, and does not come first.
    """
    first, worst = problem.main.first, worst_group(problem) or problem.main.last
    since = problem.opened - SOONER * (first.end - first.start)
    sizes: dict[str, float] = {}
    named: dict[str, tuple[bool, str]] = {}
    ends = first.end
    for other in others:
        if other is problem or not other.columns or not since <= other.opened <= worst.start:
            continue
        for group in other.groups:
            if group.column is None or group.column in outputs or group.start not in (problem.opened, worst.start):
                continue
            importance = importances.get(group.column, 0.0) if importances else 1.0
            sizes[group.column] = max(sizes.get(group.column, 0.0), _distance(group) * importance)
            later = other.opened >= ends
            what = f"{other.finding.what}, since {day(instant_of(other.opened))} only" if later else other.finding.what
            named.setdefault(group.column, (other.finding.is_fault and not later, what))
    total = sum(sizes.values())
    basis = "" if importances else ", all columns taken as equally important"
    causes = {
        column: Cause(
            "column",
            column,
            round(size / total, 6) if total else None,
            f"{harmless(column)}: {named[column][1]}{_of_all(size, total, basis) if len(sizes) > 1 else ''}.",
        )
        for column, size in sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))
    }
    broken = [cause for column, cause in causes.items() if named[column][0]]
    drifted = [cause for column, cause in causes.items() if not named[column][0]]
    return broken, drifted


def _of_all(size: float, total: float, basis: str) -> str:
    return f"; {percent(size / total if total else None)} of {PRODUCT}{basis}"


def _distance(group: Group) -> float:
    """How far a column is off in a window, 0 to 1: the first distance that fails, or the share that is missing."""
    values = {one.metric: abs(one.value) for one in reversed(group.failing) if one.value is not None}
    for metric in DISTANCES:
        if metric in values:
            return min(values[metric], 1.0)
    percents = [value / 100 for metric, value in values.items() if metric.startswith("percent_")]
    return min(max(percents, default=0.5), 1.0)


def slice_causes(fall: Fall) -> list[Cause]:
    """A fall as a sum over the values of the slice key in which one value explains most, each split into mix and rate.

    With shares w and values m before (0) and now (1), value v adds (w1 - w0) ((m0 + m1) / 2 - m) by the mix, m being the mean of
    both overall values, and (w0 + w1) / 2 (m1 - m0) by the rate. What a metric of all rows has beyond the mean of its slices
    (ranks between slices, say) is the rest, so that shares add up to 1.
    """
    keys = sorted({key for key, _ in fall.slices_now if key is not None})
    split = [parts for key in keys if (parts := _parts(fall, key))]
    if not split:
        return []
    best = max(split, key=lambda parts: max(sum(part[1:3]) / fall.change for part in parts))
    ordered = sorted(best, key=lambda part: -(part[1] + part[2]) / fall.change)
    causes = [_slice_cause(fall, *part) for part in ordered[:SLICES_SHOWN]]
    rest = 1.0 - sum(cause.share or 0.0 for cause in causes)
    if abs(rest) > ROUNDING:
        causes.append(Cause("rest", "other slices", round(rest, 6), f"Other slices, and what lies between them: {_share(rest)}."))
    return causes


Part = tuple[Slice, float, float, float]
"""A slice, what it adds by the mix and by the rate, and its share of the rows now."""


def _parts(fall: Fall, key: str) -> list[Part]:
    both = sorted((one for one in fall.slices_now if one[0] == key and one in fall.slices_before), key=repr)
    rows_now, rows_before = (sum(scores[one].count for one in both) for scores in (fall.slices_now, fall.slices_before))
    if len(both) < 2 or not rows_now or not rows_before:
        return []
    middle = (fall.now.value + fall.before.value) / 2
    parts = []
    for one in both:
        now, before = fall.slices_now[one], fall.slices_before[one]
        w1, w0 = now.count / rows_now, before.count / rows_before
        mix = (w1 - w0) * ((before.value + now.value) / 2 - middle)
        parts.append((one, mix, (w0 + w1) / 2 * (now.value - before.value), w1))
    return parts


def _slice_cause(fall: Fall, slice_: Slice, mix: float, rate: float, weight: float) -> Cause:
    now, before = fall.slices_now[slice_], fall.slices_before[slice_]
    share = (mix + rate) / fall.change
    kind = "mix" if abs(mix) > abs(rate) else "slice"
    sentence = (
        f"{slice_name(*slice_)} ({percent(weight)} of the rows): {fall.metric} {number(before.value)} to {number(now.value)}, "
        f"{_share(share)}, {_share(mix / fall.change)} by its part of the rows and {_share(rate / fall.change)} by its own value."
    )
    return Cause(kind, slice_name(*slice_), round(share, 6), sentence)


def _share(share: float) -> str:
    """A share of a change, which can be more than all of it, or against it.

    >>> _share(0.256), _share(-0.1)
    ('25.6 % of the change', '-10.0 % of the change')
    """
    return f"{100 * share:.1f} % of the change"


def prior_causes(fall: Fall) -> list[Cause]:
    """The label's rate, where it is not what it was."""
    now, before = fall.rate_now, fall.rate_before
    if now is None or before is None or not before.value or min(now.count, before.count) < 1:
        return []
    pooled = (now.value * now.count + before.value * before.count) / (now.count + before.count)
    noise = math.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / now.count + 1 / before.count))
    moved = abs(now.value - before.value)
    if moved < PRIOR_CHANGE * abs(before.value) or moved < PRIOR_NOISE * noise:
        return []
    sentence = f"The label's rate is {number(now.value)}, before {number(before.value)}: other cases arrive than before."
    return [Cause("prior_shift", "the label's rate", None, sentence)]


def concept_causes(fall: Fall) -> list[Cause]:
    """What the inputs alone make one expect, and what they do not: another relation of inputs and labels."""
    part = fall.expected_part
    if part is None:
        return []
    now, expected = number(fall.now.value), number(fall.estimated_now)
    estimated = f"from the inputs alone {fall.metric} was expected to be {expected}, it is {now}"
    unexplained = f"{_share(1 - part)} is not explained by the inputs"
    concept = Cause(
        "concept",
        "the relation of inputs and labels",
        round(1 - part, 6),
        f"Concept: {estimated}; {unexplained}.",
    )
    inputs = Cause("inputs", "the inputs", part, f"Inputs: {estimated}; {_share(part)} is what they make one expect.")
    return sorted([concept, inputs], key=lambda cause: -(cause.share or 0.0))


def is_concept_drift(fall: Fall | None) -> bool:
    """Whether a fall is one that neither the inputs nor the label's rate make one expect."""
    if fall is None or not fall.is_worse or prior_causes(fall):
        return False
    part = fall.expected_part
    return part is not None and 1 - part >= CONCEPT_SHARE


def worst_group(problem: Problem) -> Group | None:
    """The failing window in which a model's metric is worst: of all rows where these fail, else of slices."""
    groups = [group for group in problem.groups if group.track == MODEL and group.failing]
    whole = [group for group in groups if group.whole] or groups
    if not whole:
        return None
    metric = whole[0].failing[0].metric
    same = [group for group in whole if any(one.metric == metric and one.value is not None for one in group.failing)]
    return max(same or whole, key=lambda group: (_off(group, metric), group.start))


def _off(group: Group, metric: str) -> float:
    values = [one.value for one in group.failing if one.metric == metric and one.value is not None]
    expected = next((one.expected or "" for one in group.failing if one.metric == metric), "")
    return max((-value if expected.startswith(">") else value for value in values), default=-math.inf)
