"""What the metrics of a model cost for each window, version and slice once its states are there: processor time, no Spark."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from spark_monitor.estimation.estimator import Estimator, estimated_rows, estimator
from spark_monitor.scores.catalogue import present
from spark_monitor.scores.metric import Settings
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import canonical_labels
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.magnitudes import Magnitudes

SETS = 100
ROWS = (500, 20_000)
LABELLED = 20_000
SETTINGS = Settings(costs=(1.0, 10.0, 0.0, 0.0))
ScoredSet = tuple[ScoreState, ConfusionState, CoverageState]


def scored_set(random: np.random.Generator, rows: int) -> ScoredSet:
    """The states of one window of a binary model whose scores are calibrated."""
    scores = random.beta(2, 3, rows)
    labels = random.random(rows) < scores
    truth, guess = (canonical_labels(side.astype(int)).equal_to(1) for side in (labels, scores >= 0.5))
    coverage = CoverageState(rows, rows, 0, 0, Magnitudes.of(random.exponential(1000, rows)))
    return ScoreState.empty().update(labels, scores), ConfusionState.empty().update(truth, guess), coverage


def _realised(sets: list[ScoredSet]) -> None:
    for states in sets:
        # Copies, as from a table: what a state has summed before is not there.
        present("binary", *map(replace, states), settings=SETTINGS)


def _estimated(sets: list[ScoredSet], known: Estimator) -> None:
    for scores, *_ in sets:
        list(estimated_rows(scores, known))


def main(arguments: argparse.Namespace) -> None:
    """Print milliseconds of processor time for each set of realised metrics, of estimated ones, and for a calibration."""
    random = np.random.default_rng(7)
    labelled = scored_set(random, LABELLED)[0]
    known = estimator(1, labelled)
    if known is None:
        raise RuntimeError("A baseline of both kinds of labels calibrates.")
    for rows in ROWS:
        sets = [scored_set(random, rows) for _ in range(SETS)]
        cases: dict[str, tuple[Callable[[], object], int]] = {
            "realised metrics": (partial(_realised, sets), SETS),
            "estimated metrics": (partial(_estimated, sets, known), SETS),
            "a calibration": (lambda: estimator(1, labelled), 1),
        }
        for name, (case, count) in cases.items():
            case()
            seconds = [_seconds(case) for _ in range(arguments.repeats)]
            print(f"{rows:,} rows a set, {name}: {1e3 * statistics.median(seconds) / count:.2f} ms", flush=True)


def _seconds(case: Callable[[], object]) -> float:
    began = time.process_time()
    case()
    return time.process_time() - began
