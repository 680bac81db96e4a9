"""Whether labels come for some rows rather than others, by slice and by range of the score, and what that does to metrics.

Where labelled rows differ from the others, realised metrics are those of the labelled ones. Counting each labelled row by the
inverse coverage of its range of scores (Horvitz and Thompson 1952, in classes: post-stratification) corrects what scores explain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import model_metric
from spark_monitor.estimation.calibration import SEED, cell_scores
from spark_monitor.estimation.performance import Expected, binary_metrics
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.proportions import CONFIDENCE, Z, wilson
from spark_monitor.text.formatting import number, percent, slice_name

RANGES = 10
FINER_RANGES = 50
"""Metrics are corrected by narrower ranges than coverage is compared in, as coverage changes within a wide one."""

FEWEST_LABELLED = 30
"""A range of scores holds at least so many labelled rows."""

REPLICATES = 100
OF_SCORES = ("roc_auc_score", "gini", "average_precision", "ks_score", "log_loss", "brier_score", "base_rate")
"""Metrics that no decision enters."""

_TASKS = ("binary", "multiclass", "regression")


@model_metric("label_selectivity", tasks=_TASKS, range=(-1, 1), worse="both", needs=("label",), by_stage=True)
def label_selectivity(labelled: Floats, rows: Floats, rest_labelled: Floats, rest: Floats, z: float = Z) -> Interval:
    """Label coverage of some rows minus that of the others, k / n - (K - k) / (N - n), of a slice or of a range of scores.

    The interval is recovered from both Wilson intervals (Newcombe 1998). Of the whole window it is the range of scores, of at
    most ten with equally many labels, whose coverage differs most, by an interval that allows for having picked it (Bonferroni).

    >>> found = label_selectivity(np.array([20.0]), np.array([100.0]), np.array([80.0]), np.array([100.0]))
    >>> [round(float(one[0]), 3) for one in (found.value, found.lower, found.upper)]
    [-0.6, -0.694, -0.474]
    """
    share, others = labelled / rows, rest_labelled / rest
    (low, high), (least, most) = wilson(labelled, rows, z), wilson(rest_labelled, rest, z)
    value = share - others
    lower, upper = value - np.hypot(share - low, most - others), value + np.hypot(high - share, others - least)
    return Interval(value, np.maximum(lower, -1), np.minimum(upper, 1))


@model_metric("selection_error", tasks=("binary",), worse="both", needs=("score", "label"), by_stage=True)
def selection_error(uncorrected: Floats, corrected: Floats) -> Interval:
    """Realised value of a metric minus the value by inverse coverage of the score's ranges; its class is the metric.

    The first of each are of the labelled rows, the others of rows drawn again, whose spread gives the interval.

    >>> selection_error(np.array([0.8, 0.8, 0.8]), np.array([0.7, 0.7, 0.7])).value.round(3).tolist()
    [0.1]
    """
    gaps = uncorrected - corrected
    half = Z * float(np.nanstd(gaps[1:], ddof=1))
    return Interval(gaps[:1], gaps[:1] - half, gaps[:1] + half)


def slice_coverage_rows(slices: Mapping[tuple[str | None, str | None], CoverageState]) -> Iterator[dict[str, Any]]:
    """How the coverage of each slice differs from that of the other rows of the window; nothing before a label has come."""
    whole = slices.get((None, None))
    if whole is None or not whole.labelled:
        return
    for (key, value), states in slices.items():
        rest = whole.count - states.count
        if key is None or rest <= 0 or not states.count:
            continue
        counts = (float(states.labelled), float(states.count), float(whole.labelled - states.labelled), float(rest))
        row = _coverage_row(*counts, f"{slice_name(key, value)}")
        yield {**row, "slice_key": key, "slice_value": value}


def _coverage_row(labelled: float, rows: float, rest_labelled: float, rest: float, named: str, z: float = Z) -> dict[str, Any]:
    counts = (np.array([one]) for one in (labelled, rows, rest_labelled, rest))
    selectivity = label_selectivity(*counts, z=z).at(0)
    selective = selectivity["lower"] > 0 or selectivity["upper"] < 0
    verdict = "labels are selective" if selective else "the difference may be chance"
    shares = f"{percent(labelled / rows)} of the rows of {named} have a label, {percent(rest_labelled / rest)} of the others"
    return {"metric": "label_selectivity", **selectivity, "count": int(rows + rest), "message": f"{shares}: {verdict}."}


def score_coverage_rows(answers: ScoreState, labelled: ScoreState) -> Iterator[dict[str, Any]]:
    """The range of scores whose coverage differs most; where labels are selective, what that does to metrics.

    ``answers`` are all rows by what was predicted, ``labelled`` those with a label. Weights are not counts: nothing follows.
    """
    if labelled.weighting is not None:
        return
    rows, labelled_rows = (np.asarray(one.positives + one.negatives, dtype=float) for one in (answers, labelled))
    ranges = score_ranges(labelled_rows)
    if ranges.max() < 1:
        return
    sizes, labelled_sizes = (np.bincount(ranges, weights=one) for one in (rows, labelled_rows))
    if (labelled_sizes > sizes).any():
        return
    z = float(ndtri(1 - (1 - CONFIDENCE) / (2 * sizes.size)))
    shares = labelled_sizes / sizes - (labelled_sizes.sum() - labelled_sizes) / (sizes.sum() - sizes)
    worst = int(np.argmax(np.abs(shares)))
    scores = cell_scores(answers)[ranges == worst]
    named = f"scores from {number(float(scores[0]))} to {number(float(scores[-1]))}"
    rest = float(labelled_sizes.sum() - labelled_sizes[worst]), float(sizes.sum() - sizes[worst])
    row = _coverage_row(float(labelled_sizes[worst]), float(sizes[worst]), *rest, named, z)
    yield row
    if row["lower"] > 0 or row["upper"] < 0:
        yield from _selection_rows(answers, labelled, score_ranges(labelled_rows, FINER_RANGES), rows)


def score_ranges(labelled: Floats, most: int = RANGES) -> Integers:
    """The range of each cell: at most ``most``, with about equally many labelled rows, and no fewer than `FEWEST_LABELLED`.

    >>> score_ranges(np.array([0.0, 40.0, 0.0, 50.0, 30.0])).tolist()
    [0, 0, 0, 1, 2]
    """
    total = float(labelled.sum())
    wanted = min(most, int(total // FEWEST_LABELLED))
    if wanted < 2:
        return np.zeros(labelled.size, dtype=np.int64)
    before = np.cumsum(labelled) - labelled / 2
    _, ranges = np.unique(np.minimum(before * wanted / total, wanted - 1).astype(np.int64), return_inverse=True)
    # A cell that holds much leaves little to its neighbours: a range of too few joins the one before it.
    few = np.bincount(ranges, weights=labelled) < FEWEST_LABELLED
    kept = np.maximum(np.cumsum(~few) - 1, 0)
    return np.asarray(kept[ranges], dtype=np.int64)


def _selection_rows(answers: ScoreState, labelled: ScoreState, ranges: Integers, rows: Floats) -> Iterator[dict[str, Any]]:
    """What each metric of the labelled rows is by inverse coverage of their ranges, from rows drawn with replacement."""
    random = np.random.default_rng(SEED)
    drawn = []
    for side in (labelled.positives, labelled.negatives):
        once = np.asarray(side, dtype=float)
        drawn.append(np.vstack([once, random.poisson(once, (REPLICATES, once.size))]))
    in_range = np.stack([np.bincount(ranges, weights=one) for one in drawn[0] + drawn[1]])
    # Rows without a label are a sample as well: how many there are in a range is drawn, too.
    without = np.bincount(ranges, weights=rows) - in_range[0]
    others = np.vstack([without, random.poisson(without, (REPLICATES, without.size))])
    weights = (1 + others / np.maximum(in_range, 1.0))[:, ranges]
    plain = binary_metrics(_decided(answers, drawn[0], drawn[1]))
    corrected = binary_metrics(_decided(answers, drawn[0] * weights, drawn[1] * weights))
    mixed = bool((np.minimum(answers.positives, answers.negatives) > 0).any())
    for name in plain:
        if (mixed and name not in OF_SCORES) or not np.isfinite([plain[name][0], corrected[name][0]]).all():
            continue
        error = selection_error(plain[name], corrected[name]).at(0)
        half = Z * float(np.nanstd(corrected[name][1:], ddof=1))
        value = float(corrected[name][0])
        message = (
            f"Of the labelled rows {name} is {number(float(plain[name][0]))}; with each counted by the inverse coverage of its "
            f"range of scores it is {number(value)} ({number(value - half)} to {number(value + half)}), as if labels came "
            f"irrespective of what they are within a range."
        )
        yield {"metric": "selection_error", "class": name, **error, "count": int(labelled.scored), "message": message}


def _decided(answers: ScoreState, positives: Floats, negatives: Floats) -> Expected:
    """Labelled rows by what was predicted for the scores of their cell; beyond the cells that have rows nothing is counted."""
    total = np.asarray(answers.positives + answers.negatives, dtype=float)
    positive = np.asarray(answers.positives, dtype=float) / np.maximum(total, 1.0)
    return Expected(
        positives * positive, negatives * positive, positives * (1 - positive), negatives * (1 - positive), cell_scores(answers)
    )
