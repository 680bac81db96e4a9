"""The terms of errors that a state sums: their powers, their third powers, and how they lie about the labels' mean."""

from __future__ import annotations

import numpy as np

from spark_monitor.states.grid import Floats

LEAST_LABEL = float(np.finfo(np.float64).eps)

SUMS = 12
ERROR, ABSOLUTE, SQUARED, FOURTH, RELATIVE, RELATIVE_SQUARED, LABEL, LABEL_SQUARED = range(8)
SYMMETRIC, SYMMETRIC_SQUARED, LOGARITHMIC, LOGARITHMIC_SQUARED = range(8, SUMS)
CUBED = (ERROR, ABSOLUTE, SQUARED, RELATIVE, SYMMETRIC, LOGARITHMIC)
"""The sums whose terms' third powers are summed too: how lopsided the terms are."""


def mean_of(sums: Floats, mass: float) -> float:
    return float(sums[LABEL, 0]) / mass if mass else float("nan")


def finite_sum(first: Floats, second: Floats) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        total = first + second
    return np.where(np.isnan(total), np.inf, total)


def powers_of(labels: Floats, predictions: Floats) -> tuple[Floats, list[Floats]]:
    """The errors, and the terms of all sums in their order but for label^2, which is squared exactly."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        errors = predictions - labels
        distance, squared = np.abs(errors), np.square(errors)
        relative = distance / np.maximum(np.abs(labels), LEAST_LABEL)
        both = np.abs(labels) / 2 + np.abs(predictions) / 2
        symmetric = np.where(both > 0, distance / np.where(both > 0, both, 1.0), 0.0)
        logs = np.where((labels > -1.0) & (predictions > -1.0), _log1p(predictions) - _log1p(labels), 0.0)
        logarithmic = np.square(logs)
        powers = [errors, distance, squared, np.square(squared), relative, np.square(relative), labels]
        return errors, [*powers, symmetric, np.square(symmetric), logarithmic, np.square(logarithmic)]


def _log1p(values: Floats) -> Floats:
    return np.log1p(np.maximum(values, -1.0 + LEAST_LABEL))


def cube_of(power: Floats, weights: Floats | None) -> float:
    cube = np.square(power) * power
    return float(np.sum(cube if weights is None else weights * cube))


def central_sums(deviations: Floats, squared: Floats, weights: Floats | None) -> Floats:
    second = np.square(deviations)
    terms = (second * deviations, np.square(second), squared * deviations, squared * second)
    return np.array([float(np.sum(term if weights is None else weights * term)) for term in terms])


def ranges_of(labels: Floats, weights: Floats | None, lower: Floats | None, upper: Floats | None) -> Floats:
    """Rows (or their weight) with a predicted interval, and those whose label lies in it."""
    if lower is None or upper is None:
        return np.zeros(2)
    given = ~np.isnan(lower) & ~np.isnan(upper)
    inside = given & (lower <= labels) & (labels <= upper)
    counted = np.ones(labels.size) if weights is None else weights
    return np.array([float(counted[given].sum()), float(counted[inside].sum())])
