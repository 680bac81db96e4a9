"""The state of predicted numbers against labelled ones: exact sums of the errors' powers and of the labels.

The error of a row is prediction - label, so a positive mean error says that the model predicts too much. The moments that only
intervals need are kept about the labels' mean and moved when two parts meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.codec import Arrays, pack, unpack
from spark_monitor.states.grid import Floats
from spark_monitor.states.stored import counts, floats, pairs
from spark_monitor.states.sums import add_pairs, pair_of, squared_deviations, squares

TAG = "REGR"
LEAST_LABEL = float(np.finfo(np.float64).eps)
_CHUNK = 1 << 16
_SUMS = 8
ERROR, ABSOLUTE, SQUARED, FOURTH, RELATIVE, RELATIVE_SQUARED, LABEL, LABEL_SQUARED = range(_SUMS)


@dataclass(frozen=True, eq=False)
class RegressionState:
    """What is known of a model's errors in one window, version and slice; ``minimum`` and ``maximum`` are those of the error.

    ``sums`` float64[8, 2] are exact sums over the usable rows of: error, |error|, error^2, error^4, |error| / max(|label|, eps)
    and its square, label, label^2. ``central`` float64[4] holds, with m the labels' mean, the sums of (label - m)^3,
    (label - m)^4, error^2 (label - m) and error^2 (label - m)^2. ``unpredicted`` rows have a label and no prediction, in
    ``infinite`` rows one of the two is infinite; neither is usable.

    >>> state = RegressionState.empty().update([1.0, 2.0, 4.0], [1.5, 2.0, float("nan")])
    >>> state.usable, state.unpredicted, state.total(ABSOLUTE), state.label_mean, state.label_m2
    (2, 1, 0.5, 1.5, 0.5)
    """

    usable: int
    unpredicted: int
    infinite: int
    zero_labels: int
    minimum: float
    maximum: float
    least_label: float
    greatest_label: float
    sums: Floats
    central: Floats

    @classmethod
    def empty(cls) -> RegressionState:
        """The state of no row."""
        nan = float("nan")
        return cls(0, 0, 0, 0, nan, nan, nan, nan, np.zeros((_SUMS, 2)), np.zeros(4))

    def update(self, labels: npt.ArrayLike, predictions: npt.ArrayLike) -> RegressionState:
        """This state and more rows, float64[n] each; a NaN label is no label, its row does not count."""
        truth = np.asarray(labels, dtype=np.float64).ravel()
        guess = np.asarray(predictions, dtype=np.float64).ravel()
        if truth.size != guess.size:
            raise StateError(f"regression state: {truth.size} labels and {guess.size} predictions.")
        state = self
        for start in range(0, truth.size, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            state = state.merge(_of_chunk(truth[chunk], guess[chunk]))
        return state

    def merge(self, other: RegressionState) -> RegressionState:
        """The state of both."""
        sums = add_pairs(self.sums, other.sums)
        mean = _mean(sums, self.usable + other.usable)
        with np.errstate(over="ignore", invalid="ignore"):
            central = self._central_about(mean) + other._central_about(mean)
        return RegressionState(
            usable=self.usable + other.usable,
            unpredicted=self.unpredicted + other.unpredicted,
            infinite=self.infinite + other.infinite,
            zero_labels=self.zero_labels + other.zero_labels,
            minimum=float(np.fmin(self.minimum, other.minimum)) + 0.0,
            maximum=float(np.fmax(self.maximum, other.maximum)) + 0.0,
            least_label=float(np.fmin(self.least_label, other.least_label)) + 0.0,
            greatest_label=float(np.fmax(self.greatest_label, other.greatest_label)) + 0.0,
            sums=sums,
            central=central,
        )

    def _central_about(self, mean: float) -> Floats:
        """The central sums about another mean, by the binomial theorem; the first moment about the own mean is 0."""
        if not self.usable:
            return np.zeros(4)
        d = self.label_mean - mean
        m2, squared = self.label_m2, self.total(SQUARED)
        third, fourth, cross, cross_squared = self.central.tolist()
        d = np.float64(d)
        return np.array(
            [
                third + 3 * d * m2 + self.usable * d**3,
                fourth + 4 * d * third + 6 * d**2 * m2 + self.usable * d**4,
                cross + d * squared,
                cross_squared + 2 * d * cross + d**2 * squared,
            ]
        )

    @property
    def count(self) -> int:
        """Number of labelled rows, usable or not."""
        return self.usable + self.unpredicted + self.infinite

    @property
    def label_mean(self) -> float:
        """Mean of the labels; nan without a row."""
        return _mean(self.sums, self.usable)

    @property
    def label_m2(self) -> float:
        """Sum of squared deviations of the labels from their mean."""
        return squared_deviations(self.sums[LABEL], self.sums[LABEL_SQUARED], self.usable)

    def total(self, power: int) -> float:
        """One of the sums, rounded to a double."""
        return float(self.sums[power, 0])

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        totals = [self.usable, self.unpredicted, self.infinite, self.zero_labels]
        arrays: dict[str, npt.NDArray[Any]] = {
            "totals": np.array(totals, dtype=np.int64),
            "range": np.array([self.minimum, self.maximum, self.least_label, self.greatest_label]),
            "sums": self.sums.ravel(),
            "central": self.central,
        }
        return pack(TAG, {}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> RegressionState:
        """The state that ``to_bytes`` wrote."""
        return _restored(*unpack(data, TAG))


def _mean(sums: Floats, usable: int) -> float:
    return float(sums[LABEL, 0]) / usable if usable else float("nan")


def _of_chunk(labels: Floats, predictions: Floats) -> RegressionState:
    labelled, predicted = ~np.isnan(labels), ~np.isnan(predictions)
    finite = np.isfinite(labels) & np.isfinite(predictions)
    unpredicted = int(np.count_nonzero(labelled & ~predicted))
    infinite = int(np.count_nonzero(labelled & predicted & ~finite))
    if not finite.all():
        labels, predictions = labels[finite], predictions[finite]
    if not labels.size:
        return replace(RegressionState.empty(), unpredicted=unpredicted, infinite=infinite)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        errors = predictions - labels
        squared = np.square(errors)
        relative = np.abs(errors) / np.maximum(np.abs(labels), LEAST_LABEL)
        powers = [errors, np.abs(errors), squared, np.square(squared), relative, np.square(relative), labels]
        sums = np.stack([*(pair_of(power) for power in powers), pair_of(*squares(labels))])
        central = _central(labels - _mean(sums, labels.size), squared)
    return RegressionState(
        usable=labels.size,
        unpredicted=unpredicted,
        infinite=infinite,
        zero_labels=int(np.count_nonzero(labels == 0.0)),
        minimum=float(errors.min()) + 0.0,
        maximum=float(errors.max()) + 0.0,
        least_label=float(labels.min()) + 0.0,
        greatest_label=float(labels.max()) + 0.0,
        sums=sums,
        central=central,
    )


def _central(deviations: Floats, squared: Floats) -> Floats:
    second = np.square(deviations)
    terms = (second * deviations, np.square(second), squared * deviations, squared * second)
    return np.array([float(np.sum(term)) for term in terms])


def _restored(meta: Mapping[str, Any], arrays: Arrays) -> RegressionState:
    usable, unpredicted, infinite, zeros = counts(arrays, "totals", 4).tolist()
    minimum, maximum, least, greatest = floats(arrays, "range", 4).tolist()
    if meta or zeros > usable:
        raise StateError(f"regression state: {zeros} labels of 0 among {usable} rows cannot be.")
    ordered = minimum <= maximum and least <= greatest
    if not (ordered if usable else np.isnan([minimum, maximum, least, greatest]).all()):
        raise StateError(f"regression state: {usable} rows of which errors or labels have no range.")
    sums = pairs(arrays, "sums", _SUMS)
    central = floats(arrays, "central", 4)
    return RegressionState(usable, unpredicted, infinite, zeros, minimum, maximum, least, greatest, sums, central)
