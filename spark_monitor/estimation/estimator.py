"""Metrics of windows whose labels have not come, from the labelled baseline; each row names what it takes for granted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import ANY_NUMBER, DECORATED, model_metric
from spark_monitor.estimation.calibration import Calibration, calibrate
from spark_monitor.estimation.dispersion import NO_DISPERSION, Dispersion, dispersion_of_errors, dispersion_of_scores
from spark_monitor.estimation.likeness import Usual, usual_of
from spark_monitor.estimation.performance import Expected, binary_metrics, class_metrics, expected_labels
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.cell_errors import ABSOLUTE, ERROR, FOURTH, SQUARED, CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import Z
from spark_monitor.text.formatting import day

ASSUMED_SCORES = "Estimated without labels: as if labels depended on scores as in {known} ({rows:,} labelled rows)."
ASSUMED_ERRORS = "Estimated without labels: as if predictions erred as in {known} ({rows:,} labelled rows)."
WINDOWS_DIFFER = " The interval allows for how windows differ beyond chance."
NO_ANSWERS = "No row has a prediction and a score to estimate from."
ERRORS = ("mean_error", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error")
FEWEST_ROWS = 30


@dataclass(frozen=True, eq=False)
class Estimator:
    """What the labelled baseline says: calibrations of the score or of each class's, or the errors by cell of the prediction."""

    version: int
    calibrations: tuple[Calibration, ...] = ()
    errors: CellErrorsState | None = None
    features: tuple[str, ...] = ()
    """What tells errors apart, where it is more than the prediction."""

    dispersion: Dispersion = NO_DISPERSION
    """How much windows of the baseline differ beyond chance."""

    windows: int = 0
    """Windows of the baseline that tell how much windows differ."""

    usual: Usual | None = None
    """What answers look like in the baseline."""

    span: tuple[datetime, datetime] | None = None
    """The final windows that it was made of, where it is not the baseline's own."""

    @property
    def rows(self) -> int:
        """The labelled rows that it was made of."""
        if self.errors is not None:
            return int(self.errors.labelled.sum())
        return min((one.rows for one in self.calibrations), default=0)

    @property
    def calibration(self) -> str:
        """The version of the calibration: the baseline's, and the end of the newest final window where it is of windows.

        >>> Estimator(3).calibration, Estimator(3, span=(datetime(2024, 1, 1), datetime(2024, 1, 15))).calibration
        ('3', '3@2024-01-15')
        """
        return str(self.version) if self.span is None else f"{self.version}@{day(self.span[1])}"

    @property
    def named(self) -> str:
        """What it was made of, as messages say it."""
        if self.span is None:
            return f"baseline {self.version}"
        return f"calibration {self.calibration}, the final windows from {day(self.span[0])} to {day(self.span[1])}"


def estimator(version: int, state: Any, features: tuple[str, ...] = (), windows: Sequence[Any] = ()) -> Estimator | None:
    """From the baseline's state; None where it has too few labels or only labels of one kind.

    ``windows`` are states of parts of the baseline as long as windows are, which say how much windows differ beyond chance.

    >>> estimator(1, ScoreState.empty()) is None
    True
    """
    if isinstance(state, CellErrorsState):
        if state.labelled.sum() < FEWEST_ROWS:
            return None
        dispersion = Dispersion(errors=dispersion_of_errors(windows, state))
        of_errors = Estimator(version, errors=state, features=features, dispersion=dispersion)
        return replace(of_errors, windows=len(windows), usual=usual_of(state, windows))
    states = state.states if isinstance(state, ClassScoresState) else (state,)
    calibrations = [calibrate(one) for one in states if one.scored >= FEWEST_ROWS]
    calibrated = tuple(one for one in calibrations if one is not None)
    if not calibrated or len(calibrated) != len(states):
        return None
    parts = [one.states if isinstance(one, ClassScoresState) else (one,) for one in windows]
    of_class = zip(*parts, strict=True) if parts else [()] * len(states)
    dispersions = [dispersion_of_scores(each, one) for each, one in zip(of_class, calibrated, strict=True)]
    dispersion = Dispersion(tuple(shift for shift, _ in dispersions), slopes=tuple(slope for _, slope in dispersions))
    return Estimator(version, calibrated, dispersion=dispersion, windows=len(windows), usual=usual_of(state, windows))


def estimated_rows(answers: Any, estimator: Estimator) -> Iterator[dict[str, Any]]:
    """The estimated metrics of a window, version and slice, from the state of all its answers; where none can be used, why."""
    differ = WINDOWS_DIFFER if estimator.dispersion.is_known else ""
    if isinstance(answers, CellErrorsState) and estimator.errors is not None:
        if not answers.count:
            yield from (_row(name, None, None, None, 0, NO_ANSWERS) for name in ERRORS)
            return
        message = ASSUMED_ERRORS.format(known=estimator.named, rows=estimator.rows) + differ
        if estimator.features:
            message += f" They are distinguished by {', '.join(estimator.features)}."
        for name, (value, below, above) in _errors(answers, estimator.errors, estimator.dispersion).items():
            yield _row(name, value, below, above, answers.count, message)
        return
    if isinstance(answers, ClassScoresState):
        pairs = zip(answers.effective().states, estimator.calibrations, strict=True)
        labels = [_expected(*pair, estimator.dispersion, place) for place, pair in enumerate(pairs)]
        expected, drawn = (class_metrics(list(of_classes)) for of_classes in zip(*labels, strict=True))
        rows = answers.used
    elif isinstance(answers, ScoreState):
        label = _expected(answers.effective(), estimator.calibrations[0], estimator.dispersion, 0)
        (expected, drawn), rows = map(binary_metrics, label), answers.scored
    else:
        return
    message = ASSUMED_SCORES.format(known=estimator.named, rows=estimator.rows) + differ
    if rows:
        yield from _of_draws(expected, drawn, rows, message)
    else:
        yield from (_row(name, None, None, None, 0, NO_ANSWERS) for name in expected)


def _of_draws(expected: dict[str, Floats], drawn: dict[str, Floats], rows: int, message: str) -> Iterator[dict[str, Any]]:
    """Every metric as expected, with the interval that its draws give."""
    others = np.stack(list(drawn.values()))
    with np.errstate(invalid="ignore"):
        middles, deviations = others.mean(axis=1), others.std(axis=1, ddof=1)
    whole = np.isfinite(others).all(axis=1) & (others.shape[1] > 1)
    for place, (name, one) in enumerate(expected.items()):
        usual = (float(middles[place]), float(deviations[place])) if whole[place] else None
        yield _drawn(name, float(one[0]), drawn[name], rows, message, usual)


def _expected(answers: ScoreState, calibration: Calibration, dispersion: Dispersion, place: int) -> tuple[Expected, Expected]:
    return expected_labels(answers, calibration, dispersion.of_calibration(place), place, dispersion.slope_of(place))


def _drawn(name: str, value: float, draws: Floats, count: int, message: str, usual: tuple[float, float] | None) -> dict[str, Any]:
    """The expected value, and 1.96 standard deviations of the draws around it and their mean.

    ``usual`` are their mean and deviation where every draw defines the metric; of others those that do count.
    """
    if usual is None:
        others = draws[np.isfinite(draws)]
        usual = (float(others.mean()), float(others.std(ddof=1))) if others.size > 1 else None
    if not math.isfinite(value) or usual is None:
        remark = f"{message} No value follows: too few rows are expected of a kind."
        return _row(name, None, None, None, count, remark)
    middle, half = usual[0], Z * usual[1]
    return _row(name, value, min(value, middle) - half, max(value, middle) + half, count, message)


def _row(name: str, value: float | None, lower: float | None, upper: float | None, count: int, message: str) -> dict[str, Any]:
    least, most = DECORATED[name].range if name in DECORATED else ANY_NUMBER
    bounds = [None if bound is None else float(min(max(bound, least), most)) for bound in (lower, upper)]
    error, status = (None, "UNDEFINED") if value is None else (0.0, "OK")
    numbers = {"value": value, "value_error": error, "lower": bounds[0], "upper": bounds[1], "count": count}
    return {"metric": name, "class": None, **numbers, "status": status, "message": message}


def _errors(answers: CellErrorsState, labelled: CellErrorsState, dispersion: Dispersion) -> dict[str, tuple[float, float, float]]:
    """Mean errors at the window's mix of predictions: sum w_i m_i, and its error, from the baseline's rows and its own."""
    share = answers.rows / answers.count
    errors = {
        name: _mixed(share, answers.count, labelled, (first, second), dispersion.errors[first])
        for name, first, second in (
            ("mean_error", ERROR, SQUARED),
            ("mean_absolute_error", ABSOLUTE, SQUARED),
            ("mean_squared_error", SQUARED, FOURTH),
        )
    }
    value, below, above = errors["mean_squared_error"]
    root = tuple(float(np.sqrt(max(one, 0.0))) for one in (value, below, above))
    return {**errors, "root_mean_squared_error": (root[0], root[1], root[2])}


def _mixed(
    share: Floats, rows: int, labelled: CellErrorsState, powers: tuple[int, int], deviation: float
) -> tuple[float, float, float]:
    first, second = powers
    labelled_cells = np.flatnonzero(labelled.labelled > 0)
    n = labelled.labelled[labelled_cells].astype(float)
    means, squares = labelled.sums[first][labelled_cells] / n, labelled.sums[second][labelled_cells] / n
    pooled = float(np.average(squares - np.square(means), weights=n))
    # A cell of few rows shows less spread than it has: half a dozen rows of the common one are added.
    spread = ((squares - np.square(means)) * n + 6 * pooled) / (n + 6)
    cells = np.arange(share.size)
    mean, variance, weight = (np.interp(cells, labelled_cells, one) for one in (means, spread, n))
    value = float(np.dot(share, mean))
    between = deviation * (1.0 if first == ERROR else value)
    sampled = np.dot(np.square(share), variance / weight) + np.dot(share, variance) / rows
    half = Z * float(np.sqrt(max(sampled, 0.0) + between**2))
    return value, value - half, value + half


@model_metric(
    "estimation_error", tasks=("binary", "multiclass", "regression"), worse="both", needs=("label", "estimate"), by_stage=True
)
def estimation_error(estimated: dict[str, Any], realised: dict[str, Any]) -> Interval | None:
    """Estimated minus realised value of a metric in the same window; its class is the metric.

    Where zero lies outside the interval, what labels depend on has changed, or labels are selective.

    >>> one = {"value": 0.8, "lower": 0.77, "upper": 0.83}
    >>> round(float(estimation_error(one, {"value": 0.7, "lower": 0.66, "upper": 0.74}).lower[0]), 3)
    0.05
    """
    numbers = [side[name] for side in (estimated, realised) for name in ("value", "lower", "upper")]
    if any(number is None for number in numbers):
        return None
    value, low, high, real, least, most = numbers
    below, above = np.hypot(value - low, most - real), np.hypot(high - value, real - least)
    gap = value - real
    return Interval(np.array([gap]), np.array([gap - below]), np.array([gap + above]))


@model_metric(
    "calibration_rows",
    tasks=("binary", "multiclass", "regression"),
    range=(0, np.inf),
    worse="lower",
    unit="rows",
    needs=("label", "estimate"),
    by_stage=True,
)
def calibration_rows(estimator: Estimator) -> Interval:
    """Labelled rows that a window's estimates rest on, of the baseline or of final windows; its class is their version.

    >>> calibration_rows(Estimator(1, (Calibration(np.zeros((1, 1)), np.zeros(1), 500),))).value.tolist()
    [500.0]
    """
    rows = np.array([float(estimator.rows)])
    return Interval(rows, rows, rows)
