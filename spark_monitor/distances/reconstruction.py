"""Whether rows still lie where the baseline's main directions say: the error of rebuilding them from these directions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from spark_monitor.catalogue.interval import Floats, Integers, Interval
from spark_monitor.catalogue.metric import NOT_NEGATIVE, drift_metric
from spark_monitor.states.covariance import CovarianceState

CONFIDENCE = 0.95
VARIANCE_KEPT = 0.65
LEAST_ROWS = 30
MOST_CAUSES = 5
_LEAST_SPREAD = 1e-9
"""A column whose variance is less than this fraction of what it was when it was frozen does not vary."""

UNDEFINED, NO_BASELINE = "UNDEFINED", "NO_BASELINE"


@dataclass(frozen=True, eq=False)
class Directions:
    """The baseline's columns that vary, their means and deviations, and what a row keeps that its main directions leave.

    ``rest`` float64[D, D] is I - P P', P the leading principal directions of the standardised columns.
    """

    names: tuple[str, ...]
    mean: Floats
    deviation: Floats
    rest: Floats
    kept: int

    @classmethod
    def of(cls, state: CovarianceState) -> Directions | None:
        """The directions that hold ``VARIANCE_KEPT`` of the variance; None where fewer than two columns vary."""
        names = varying(state)
        if len(names) < 2:
            return None
        columns = state.only(names)
        mean = columns.powers[0] / columns.present
        deviation = np.sqrt(columns.powers[1] / columns.present - mean * mean)
        values, vectors = np.linalg.eigh(_second_moments(columns, mean, deviation))
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        kept = int(np.searchsorted(np.cumsum(values) / values.sum(), VARIANCE_KEPT, side="right")) + 1
        leading = vectors[:, : min(kept, len(names))]
        return cls(names, mean, deviation, np.eye(len(names)) - leading @ leading.T, min(kept, len(names)))


@dataclass(frozen=True, eq=False)
class ErrorBlock:
    """S states: the mean squared reconstruction error, the variance of one row's, the rows, and the error's terms by column."""

    error: Floats
    variance: Floats
    count: Integers
    terms: Sequence[dict[str, float]]
    kept: Sequence[int]
    message: Sequence[str | None]

    @classmethod
    def of(cls, baseline: CovarianceState, states: Sequence[CovarianceState]) -> tuple[ErrorBlock, ErrorBlock]:
        """The baseline's errors and the states' own; columns that one of both lacks are left out of both."""
        sides: tuple[list[_One], list[_One]] = ([], [])
        by_names: dict[tuple[str, ...], Directions | None] = {}
        for state in states:
            names = tuple(name for name in baseline.names if name in state.names and state.present[state.names.index(name)])
            if names not in by_names:
                by_names[names] = Directions.of(baseline.only(names)) if baseline.count else None
            directions = by_names[names]
            gone = sorted(set(varying(baseline)) - set(names))
            about = f"Without {', '.join(gone)}, which held no number." if gone else None
            for side, one in zip(sides, (baseline, state), strict=True):
                side.append(_error(one, directions, about))
        return _block(sides[0]), _block(sides[1])


_One = tuple[float, float, int, dict[str, float], int, str | None]


def varying(state: CovarianceState) -> tuple[str, ...]:
    """The columns whose values differ.

    >>> varying(CovarianceState.empty(("a", "b")).update([[1.0, 1.0], [1.0, 2.0]]))
    ('b',)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = state.powers[0] / state.present
        variance = state.powers[1] / state.present - mean * mean
    return tuple(name for name, spread in zip(state.names, variance.tolist(), strict=True) if spread > _LEAST_SPREAD)


def _second_moments(state: CovarianceState, mean: Floats, deviation: Floats) -> Floats:
    """float64[D, D]: means of w_i w_j over the rows with both, w the values in deviations from given means; 0 without rows."""
    rows = np.maximum(state.pair_counts, 1)
    sums = state.pair_sums
    centred = state.products - sums * mean[None, :] - sums.T * mean[:, None] + state.pair_counts * np.outer(mean, mean)
    return np.asarray(centred / rows / np.outer(deviation, deviation))


def _error(state: CovarianceState, directions: Directions | None, about: str | None) -> _One:
    if directions is None:
        return np.nan, np.nan, state.count, {}, 0, "Fewer than two numeric columns vary in the baseline."
    columns = state.only(directions.names)
    moments = _second_moments(columns, directions.mean, directions.deviation)
    product = directions.rest @ moments
    error = float(np.trace(product))
    if state.count < LEAST_ROWS:
        return np.nan, np.nan, state.count, {}, directions.kept, f"There are {state.count} rows, fewer than {LEAST_ROWS}."
    offset = (columns.powers[0] / columns.present - directions.mean) / directions.deviation
    variance = _variance(state, (moments, offset @ offset), (product, offset @ directions.rest @ offset))
    terms = dict(zip(directions.names, np.diagonal(product).tolist(), strict=True))
    return error, variance, state.count, terms, directions.kept, about


_Form = tuple[Floats, float]
"""A quadratic form A of rows with second moments M and mean d: A M, and d'A d."""


def _variance(state: CovarianceState, length: _Form, error: _Form) -> float:
    """The variance of a row's error: that of normal rows, widened by as much as that of a row's squared length w'w is.

    Elliptical rows with excess kurtosis 3 k have Var(w'A w) = (1 + k) G(A) + k tr(A M)^2, G(A) being that of normal ones.
    """
    mean = state.powers[1].sum() / state.count
    normal, size = _normal(length), float(np.trace(length[0]))
    tails = max((state.norms / state.count - mean * mean - normal) / (normal + size * size), 0.0)
    return float((1.0 + tails) * _normal(error) + tails * np.trace(error[0]) ** 2)


def _normal(form: _Form) -> float:
    """2 tr((A S)^2) + 4 d'A S A d with S = M - d d', which is 2 tr((A M)^2) - 2 (d'A d)^2."""
    product, quadratic = form
    return max(2.0 * float(np.sum(product * product.T)) - 2.0 * float(quadratic) ** 2, 0.0)


def _block(errors: Sequence[_One]) -> ErrorBlock:
    error, variance, count, terms, kept, message = zip(*errors, strict=True) if errors else ((),) * 6
    numbers = np.array(error, dtype=np.float64), np.array(variance, dtype=np.float64), np.array(count, dtype=np.int64)
    return ErrorBlock(*numbers, terms, kept, message)


@drift_metric("reconstruction_error", columns=(":table",), range=NOT_NEGATIVE)
def reconstruction_error(baseline: ErrorBlock, current: ErrorBlock) -> Interval:
    """How far rows lie, squared and on average, from what the baseline's main directions make of them, over all numeric features.

    With the features standardised by the baseline's means and deviations, P its leading principal directions (65 % of the
    variance), S the covariance of the window's rows and d its mean: tr((I - P P')(S + d d')), from co-moments of complete pairs.
    ``details`` name the features that cause what it has gained on the baseline's. The interval holds the sampling error of the
    window's rows, wider where rows have heavy tails. Source: Jolliffe, "Principal Component Analysis" (2002), 10.1.
    """
    value, deviation = current.error, np.sqrt(current.variance / np.maximum(current.count, 1))
    reach = _quantile() * deviation
    return _interval(baseline, current, value, np.maximum(value - reach, 0.0), value + reach)


@drift_metric("reconstruction_error_ratio", columns=(":table",), range=NOT_NEGATIVE)
def reconstruction_error_ratio(baseline: ErrorBlock, current: ErrorBlock) -> Interval:
    """The reconstruction error in relation to that of the baseline's own rows: 1 where columns move together as they did.

    The interval is that of a ratio of two means, on the logarithm's scale: exp(+- 1.96 sqrt(v / (n e^2) + v_0 / (m e_0^2))).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = current.error / baseline.error
        parts = [side.variance / np.maximum(side.count, 1) / side.error**2 for side in (baseline, current)]
        reach = np.exp(_quantile() * np.sqrt(parts[0] + parts[1]))
    return _interval(baseline, current, value, value / reach, value * reach)


def _quantile() -> float:
    return float(ndtri(0.5 + CONFIDENCE / 2))


def _interval(baseline: ErrorBlock, current: ErrorBlock, value: Floats, lower: Floats, upper: Floats) -> Interval:
    """The numbers with what they must be read with: why there is none, which features cause it, how many directions are kept."""
    status, message, details = [], [], []
    for place, number in enumerate(value.tolist()):
        fine = bool(np.isfinite(number))
        old = current.message[place] is None and not fine
        status.append("OK" if fine else NO_BASELINE if np.isnan(baseline.error[place]) else UNDEFINED)
        reason = current.message[place] if np.isnan(current.error[place]) or fine else None
        message.append(reason or baseline.message[place] or ("The baseline's rows have no error." if old else None))
        details.append(_details(baseline, current, place) if fine else None)
    return Interval(value, lower, upper, np.zeros(value.shape), current.count, status, message, details)


def _details(baseline: ErrorBlock, current: ErrorBlock, place: int) -> dict[str, str]:
    gained = {name: term - baseline.terms[place].get(name, 0.0) for name, term in current.terms[place].items()}
    most = sorted(gained.items(), key=lambda one: (-one[1], one[0]))[:MOST_CAUSES]
    return {
        "baseline_error": f"{baseline.error[place]:.6g}",
        "components": str(current.kept[place]),
        "features": json.dumps({name: float(f"{rise:.4g}") for name, rise in most if rise > 0}, ensure_ascii=False),
    }
