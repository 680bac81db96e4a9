"""What a model's fall, or the movement of its outputs, is probably due to: columns, slices, labels, inputs or the concept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from spark_monitor.diagnosis.falls import Cause, Fall
from spark_monitor.diagnosis.groups import Group
from spark_monitor.diagnosis.problems import Problem, is_prior, spares_a_version
from spark_monitor.diagnosis.slice_causes import (
    is_clear,
    is_of_one_slice,
    of_the_change,
    place_causes,
    searched_causes,
    slice_causes,
)
from spark_monitor.diagnosis.subjects import FAIRNESS, MODEL
from spark_monitor.text.formatting import UTC_NAME, harmless, in_words, local, number, percent, slice_name
from spark_monitor.windowing.timestamps import timestamp_of

PRODUCT: Final = "distance x importance"

PRIOR_CHANGE, PRIOR_NOISE = 0.25, 4.0
"""The label's rate has changed where it moved by a quarter of what it was, and by so many standard errors."""

CONCEPT_SHARE: Final = 0.5
UNMOVED: Final = "No column has moved: values that went to other rows, by a wrong key or in another order, would look the same."
SOONER: Final = 2
"""A column may have begun to be off so many windows before the model's metric failed: a limit is reached by and by."""

DISTANCES: Final = ("tv_distance", "ks", "js_distance", "hellinger_distance", "l_infinity_distance", "population_stability_index")


def causes_of(
    problem: Problem,
    others: Sequence[Problem],
    fall: Fall | None,
    *,
    outputs: Collection[str] = (),
    importances: Mapping[str, float] | None = None,
    zone: str = UTC_NAME,
) -> list[Cause]:
    """The causes of a problem, the first to look at first; their shares add up to 1.

    A fall can be divided in several ways: among columns, among slices, into what the inputs make one expect and what not. The way
    of the first cause that has a share keeps its shares; those of other ways stand in their sentences alone.
    """
    if problem.main.first.track == FAIRNESS:
        broken, drifted = column_causes(problem, others, outputs=outputs, importances=importances or {}, zone=zone)
        return [*moved_outputs(problem, outputs), *broken, *drifted]
    is_output = bool(problem.columns) and set(problem.columns) <= set(outputs)
    if is_prior(problem) and fall is None:
        return [OTHER_LABELS]
    if problem.main.first.track != MODEL and not is_output:
        return []
    broken, drifted = column_causes(problem, others, outputs=outputs, importances=importances or {}, zone=zone)
    slices = slice_causes(fall) if fall is not None and fall.is_worse else []
    prior, concept = (prior_causes(fall), concept_causes(fall)) if fall is not None and fall.is_worse else ([], [])
    clear = place_causes(fall) if fall is not None and fall.is_worse else []
    clear += slices[:1] if fall is not None and slices and is_clear(fall, slices[0]) else []
    # Within a slice of the file a bin of a feature says more; without one it is all that is known of where.
    clear += searched_causes(fall) if fall is not None and fall.is_worse else []
    answers = moved_answers(problem, fall, outputs)
    concept = [] if answers else concept
    if not (broken or drifted):
        concept = [replace(one, sentence=f"{one.sentence} {UNMOVED}") if one.kind == "concept" else one for one in concept]
    strong = [cause for cause in concept[:1] if cause.kind == "concept" and (cause.share or 0) >= CONCEPT_SHARE]
    ordered = list(dict.fromkeys([*broken, *answers, *clear, *prior, *strong, *drifted, *slices, *concept]))
    # Of slices that fell alike the one of most rows has the largest share, which says nothing of it.
    alike = [EVERYWHERE] if slices and ordered[0] in slices and ordered[0] not in clear else []
    return [*alike, *divided_once(ordered)]


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


EVERYWHERE: Final = Cause(
    "everywhere", "what all slices share", None, "No slice stands out and no column is off: it fell in all slices about alike."
)


def moved_outputs(problem: Problem, outputs: Collection[str]) -> list[Cause]:
    """The model's outputs that move for a group which is treated less fairly, and where they do."""
    causes: dict[str, Cause] = {}
    for episode in problem.episodes:
        first = episode.first
        if first.column is not None and first.column in outputs and first.failing:
            place = "" if first.whole else f" where {slice_name(*first.failing[0].slice)}"
            sentence = f"{harmless(first.column)}: {episode.finding.what}{place}."
            causes.setdefault(first.column, Cause("column", first.column, None, sentence))
    return list(causes.values())


def moved_answers(problem: Problem, fall: Fall | None, outputs: Collection[str]) -> list[Cause]:
    """Of a fall of the model, the outputs that have moved, though neither inputs nor labels have.

    Where labels follow the inputs in another way, the model answers as before: what answers otherwise is the model, or what it
    was given. Other labels, where other cases come, move the answers themselves.
    """
    if problem.main.first.track != MODEL or fall is None or not fall.is_worse or prior_causes(fall):
        return []
    return moved_outputs(problem, outputs)


def mix_causes(problem: Problem) -> list[Cause]:
    """Of a shift of the mix, the slice that has grown or shrunk."""
    if problem.kind != "mix_shift" or problem.shifted is None:
        return []
    return [Cause("mix", slice_name(*problem.shifted.slice), None, f"The mix of the rows: {problem.shifted.phrase}.")]


def column_causes(
    problem: Problem,
    others: Sequence[Problem],
    *,
    outputs: Collection[str],
    importances: Mapping[str, float],
    zone: str = UTC_NAME,
) -> tuple[list[Cause], list[Cause]]:
    """Columns that broke or began to drift about when a problem did: share = distance x importance, over the sum of these.

    What was off long before cannot explain a change, nor can what is well both when it begins and when it is worst. What broke
    only after the change had begun can have made it worse: it says since when, and does not come first; nor does what is broken
    in a version that does well.
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
            since_then = in_words(local(timestamp_of(other.opened), zone))
            what = f"{other.finding.what}, since {since_then} only" if later else other.finding.what
            named.setdefault(group.column, (other.finding.is_fault and not later and not spares_a_version(other, problem), what))
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
    unexplained = f"{of_the_change(1 - part)} is not explained by the inputs"
    concept = Cause(
        "concept",
        "the relation of inputs and labels",
        round(1 - part, 6),
        f"Concept: {estimated}; {unexplained}.",
    )
    inputs = Cause("inputs", "the inputs", part, f"Inputs: {estimated}; {of_the_change(part)} is what they make one expect.")
    return sorted([concept, inputs], key=lambda cause: -(cause.share or 0.0))


def is_concept_drift(fall: Fall | None, causes: Collection[Cause] = ()) -> bool:
    """Whether a fall is one that neither the inputs nor the label's rate make one expect, nor ``causes`` that say of columns that
    they moved, or parted from others.

    Where it is one slice's, labels follow the inputs in another way there, and their rate is a symptom.
    """
    if any(cause.kind in ("column", "correlation") for cause in causes):
        return False
    if fall is None or not fall.is_worse or (prior_causes(fall) and not is_of_one_slice(fall)):
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
