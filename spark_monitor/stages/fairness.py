"""Measurements made of the stored states of a window and version together: fairness, other thresholds, the worst slices.

One task sees all slices of a window and version, because groups are compared with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, batch_of_measurements, measurement
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.estimation.estimator import calibration_rows, estimated_rows, estimation_error
from spark_monitor.estimation.selectivity import score_coverage_rows, slice_coverage_rows
from spark_monitor.fairness.compare import fairness_rows
from spark_monitor.fairness.groups import Group, group_of
from spark_monitor.kernel.recalibration import NUMBER
from spark_monitor.kernel.scored_states import ANSWERS, CONFUSION, COVERAGE, PAIRED, PREDICTED, SCORE, ScoredState
from spark_monitor.scores.catalogue import present
from spark_monitor.scores.thresholds import threshold_rows
from spark_monitor.scores.worst import without_partial, worst_rows
from spark_monitor.stages.context import Run
from spark_monitor.stages.scored_rows import PLACE, Presentation, stored_states
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import canonical_label
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.text.quoting import as_string, slice_key

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

States = Mapping[tuple[str | None, str | None], Mapping[int, ScoredState]]
WHOLE = (None, None)


@dataclass(frozen=True)
class Comparison:
    """Which slice keys are groups and whom they are held against, the favourable class, and the metric slices are ranked by."""

    groups: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    favourable: str = "1"
    metric: str | None = None
    most: int = 0
    searched: tuple[str, ...] = ()
    """The slice keys among whose values the worst slices are looked for: those of at most so many columns as the file says."""

    named: frozenset[str] = frozenset()
    """The slice keys of the monitor's file; others are looked at for the worst slices alone."""

    estimated: bool = False


def comparison_of(run: Run, metric: str | None, unnamed: frozenset[str] = frozenset()) -> Comparison:
    """What the monitor's file asks for; ``unnamed`` are the keys that have states for the search alone."""
    fairness, worst, columns = run.config.fairness, run.config.worst_slices, run.config.predictions
    depth = 0 if worst is None else worst.depth
    searched = tuple(slice_key(one) for one in run.config.slices if (1 if isinstance(one, str) else len(one)) <= depth)
    most = 0 if worst is None else worst.max
    named = frozenset(map(slice_key, run.config.slices))
    kept = Comparison(metric=metric, most=most, searched=(*searched, *sorted(unnamed)), named=named)
    if fairness is None or run.config.model.task == "regression":
        return kept
    favourable = canonical_label(fairness.favourable)
    if run.config.model.task == "binary":
        favourable = "1" if favourable == canonical_label(columns.positive) else "0"
    references = tuple((key, as_string(value)) for key, value in fairness.reference.items())
    return replace(kept, groups=fairness.groups, references=references, favourable=str(favourable))


def group_measurements(
    states: DataFrame, presentation: Presentation, comparison: Comparison, made: DataFrame | None = None
) -> DataFrame:
    """Measurements of every window and version, from rows of ``model_states``; ``made`` are calibrations on final windows."""

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        places = stored_states(batches, presentation)
        for window, several in groupby(places, key=lambda one: (*one[0][:3], one[0][5])):
            slices = {(place[3], place[4]): kinds for place, kinds in several}
            recalibration = slices.get(WHOLE, {}).pop(NUMBER, None)
            recalibrated = replace(presentation, estimator=presentation.estimator_by(recalibration))
            yield batch_of_measurements(measured(window, slices, recalibrated, comparison))

    keys = ("granularity", "start", "end", "model_version")
    order = (*keys, "slice_key", "slice_value", "kind")
    stored = states.select(*PLACE, "kind", "state")
    both = stored if made is None else stored.unionByName(made.where("bucket = 0").drop("bucket"), allowMissingColumns=True)
    return both.repartition(*keys).sortWithinPartitions(*order).mapInArrow(measure, MEASUREMENT_DDL)


def measured(
    window: tuple[Any, ...], slices: States, presentation: Presentation, comparison: Comparison
) -> Iterator[dict[str, Any]]:
    """The measurements of one window and version."""
    names = ("granularity", "start", "end", "model_version")
    where = {**dict(zip(names, window, strict=True)), "slice_key": None, "slice_value": None}
    yield from _fairness(where, slices, comparison)
    whole = slices.get(WHOLE)
    if whole is None:
        return
    score = whole.get(SCORE)
    if isinstance(score, ScoreState):
        for row in threshold_rows(score, presentation.settings):
            yield _measurement(where, row)
    yield from _estimation_errors(where, whole, presentation)
    named = {place: kinds for place, kinds in slices.items() if place[0] is None or place[0] in comparison.named}
    yield from _selectivity(where, named, whole, presentation)
    if comparison.most and comparison.metric is not None:
        yield from _worst(where, slices, presentation, comparison)


def _measurement(where: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"basis": "REALISED", "column_name": ":table", **row}
    return measurement(where, catalogue().metrics[given.pop("metric")], **given)


def _fairness(where: Mapping[str, Any], slices: States, comparison: Comparison) -> Iterator[dict[str, Any]]:
    references = dict(comparison.references)
    whole = _group(slices.get(WHOLE, {}), comparison.favourable)
    if whole is None:
        return
    for key in comparison.groups:
        groups = {value: _group(kinds, comparison.favourable) for (name, value), kinds in slices.items() if name == key}
        present = {value: group for value, group in groups.items() if group is not None}
        yield from fairness_rows({**where, "slice_key": key}, present, whole, references.get(key))


def _group(kinds: Mapping[int, ScoredState], favourable: str) -> Group | None:
    predicted, confusion = kinds.get(PREDICTED), kinds.get(CONFUSION)
    if not isinstance(predicted, ConfusionState):
        return None
    return group_of(predicted, confusion if isinstance(confusion, ConfusionState) else None, favourable)


def _estimation_errors(
    where: Mapping[str, Any], whole: Mapping[int, ScoredState], presentation: Presentation
) -> Iterator[dict[str, Any]]:
    if presentation.estimator is None or ANSWERS not in whole:
        return
    estimator = presentation.estimator
    about = {"metric": "calibration_rows", "class": estimator.calibration, "count": estimator.rows, "basis": "ESTIMATED"}
    yield _measurement(
        where, {**calibration_rows(estimator).at(0), **about, "message": f"Estimates are as in {estimator.named}."}
    )
    if not presentation.weighs_errors:
        return
    realised = {row["metric"]: row for row in _realised(whole, presentation) if row["class"] is None and row["value"] is not None}
    for row in estimated_rows(whole[ANSWERS], presentation.estimator):
        error = estimation_error(row, realised[row["metric"]]) if row["metric"] in realised else None
        if error is not None:
            about = {"metric": "estimation_error", "class": row["metric"], "count": realised[row["metric"]]["count"]}
            yield _measurement(where, {**about, **error.at(0), "message": row["message"], "basis": "ESTIMATED"})


def _selectivity(
    where: Mapping[str, Any], slices: States, whole: Mapping[int, ScoredState], presentation: Presentation
) -> Iterator[dict[str, Any]]:
    """Whether labels come for some slices, or scores, rather than others; asked only where labels are awaited."""
    if presentation.horizon is None:
        return
    coverage_states = ((place, kinds.get(COVERAGE)) for place, kinds in slices.items())
    coverages = {place: state for place, state in coverage_states if isinstance(state, CoverageState)}
    for row in slice_coverage_rows(coverages):
        place = {"slice_key": row.pop("slice_key"), "slice_value": row.pop("slice_value")}
        yield _measurement({**where, **place}, row)
    answers, score = whole.get(ANSWERS), whole.get(SCORE)
    if isinstance(answers, ScoreState) and isinstance(score, ScoreState):
        for row in score_coverage_rows(answers, score):
            yield _measurement(where, row)


def _realised(kinds: Mapping[int, ScoredState], presentation: Presentation, only: str | None = None) -> list[dict[str, Any]]:
    used: list[Any] = [state for kind, state in kinds.items() if kind not in (PREDICTED, ANSWERS, COVERAGE, PAIRED)]
    return present(presentation.task, *used, settings=presentation.settings, only=only)


def _worst(
    where: Mapping[str, Any], slices: States, presentation: Presentation, comparison: Comparison
) -> Iterator[dict[str, Any]]:
    rows: Mapping[tuple[str | None, str | None], Mapping[str, Any]] = {
        place: row
        for place, kinds in slices.items()
        if place[0] is None or place[0] in comparison.searched
        for row in _realised(kinds, presentation, comparison.metric)
        if row["class"] is None
    }
    # Of windows that were measured before a key was searched, a coarser one has but a part of its rows.
    rows = without_partial(rows, set(comparison.searched) - comparison.named)
    for row in worst_rows(str(comparison.metric), rows, most=comparison.most):
        yield _measurement(where, row)
