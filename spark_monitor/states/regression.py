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
from spark_monitor.states.error_powers import (
    CUBED,
    ERROR,
    LABEL,
    LABEL_SQUARED,
    LOGARITHMIC,
    SQUARED,
    SUMS,
    central_sums,
    cube_of,
    finite_sum,
    mean_of,
    powers_of,
    ranges_of,
)
from spark_monitor.states.grid import Floats
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.stored import counts, floats, pairs
from spark_monitor.states.sums import add_pairs, pair_of, products, scaled_pairs, squared_deviations, squares
from spark_monitor.states.weighting import Weighting, added

TAG = "REGR"
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class RegressionState:
    """What is known of a model's errors in one window, version and slice; ``minimum`` and ``maximum`` are those of the error.

    ``sums`` float64[12, 2] are exact sums over the usable rows of: error, |error|, error^2, error^4, |error| / max(|label|, eps)
    and its square, label, label^2, 2 |error| / (|label| + |prediction|) and its square, (log(1 + prediction) - log(1 + label))^2
    and its square. ``cubes`` float64[6] sum third powers of the terms of ``CUBED``. ``central`` float64[4] holds, with m the
    labels' mean, the sums of (label - m)^3, (label - m)^4, error^2 (label - m) and error^2 (label - m)^2. ``unpredicted`` rows
    have a label and no prediction, in ``infinite`` rows one of the two is infinite; neither is usable. ``below`` rows have a
    label or prediction of -1 or less, of which there is no logarithm. ``errors`` counts |error| by magnitude, ``highs`` and
    ``lows`` the labels at or above zero and below, ``logs`` |log(1 + prediction) - log(1 + label)|. ``ranges`` counts rows with
    a predicted interval, and those it holds.
    With ``weighting`` every sum and count but ``unpredicted`` and ``infinite`` is one of weights. ``lost`` is what rounding took
    of ``usable`` where that is a sum of weights.

    >>> from spark_monitor.states.error_powers import ABSOLUTE
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
    cubes: Floats
    below: int
    errors: Magnitudes
    highs: Magnitudes
    lows: Magnitudes
    logs: Magnitudes
    ranges: Floats
    weighting: Weighting | None = None
    lost: float = 0.0

    @classmethod
    def empty(cls) -> RegressionState:
        """The state of no row."""
        nan, none = float("nan"), Magnitudes.empty()
        zeros = np.zeros((SUMS, 2)), np.zeros(4), np.zeros(len(CUBED))
        return cls(0, 0, 0, 0, nan, nan, nan, nan, *zeros, 0, none, none, none, none, np.zeros(2))

    def update(
        self,
        labels: npt.ArrayLike,
        predictions: npt.ArrayLike,
        *,
        weights: Floats | None = None,
        lower: Floats | None = None,
        upper: Floats | None = None,
    ) -> RegressionState:
        """This state and more rows, float64[n] each; a NaN label is no label, its row does not count.

        ``lower`` and ``upper`` are the ends of the interval that the model predicts, NaN where it does not.
        """
        truth = np.asarray(labels, dtype=np.float64).ravel()
        guess = np.asarray(predictions, dtype=np.float64).ravel()
        if truth.size != guess.size:
            raise StateError(f"regression state: {truth.size} labels and {guess.size} predictions.")
        state = self
        for start in range(0, truth.size, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            rest = (None if one is None else one[chunk] for one in (weights, lower, upper))
            state = state.merge(_of_chunk(truth[chunk], guess[chunk], *rest))
        return state

    def merge(self, other: RegressionState) -> RegressionState:
        """The state of both."""
        sums = add_pairs(self.sums, other.sums)
        mean = mean_of(sums, self.mass + other.mass)
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
            cubes=finite_sum(self.cubes, other.cubes),
            below=self.below + other.below,
            errors=self.errors.merge(other.errors),
            highs=self.highs.merge(other.highs),
            lows=self.lows.merge(other.lows),
            logs=self.logs.merge(other.logs),
            ranges=self.ranges + other.ranges,
            weighting=added(self.weighting, self.usable, other.weighting, other.usable),
        )

    def effective(self) -> RegressionState:
        """This state as one of as many equal rows as its weights are worth; itself where rows have no weights."""
        if self.weighting is None:
            return self
        scale = self.weighting.scale
        usable, lost = scaled_pairs(np.array([self.weighting.total, self.weighting.lost]), scale).tolist()
        return replace(
            self,
            usable=usable,
            lost=lost,
            sums=scaled_pairs(self.sums, scale),
            central=self.central * scale,
            cubes=self.cubes * scale,
            errors=self.errors.scaled(scale),
            highs=self.highs.scaled(scale),
            lows=self.lows.scaled(scale),
            logs=self.logs.scaled(scale),
            ranges=self.ranges * scale,
            weighting=None,
        )

    @property
    def mass(self) -> float:
        """The usable rows' weight: their number, where rows have none."""
        return self.usable if self.weighting is None else self.weighting.total

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
                third + 3 * d * m2 + self.mass * d**3,
                fourth + 4 * d * third + 6 * d**2 * m2 + self.mass * d**4,
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
        return mean_of(self.sums, self.mass)

    @property
    def label_m2(self) -> float:
        """Sum of squared deviations of the labels from their mean."""
        lost = self.lost if self.weighting is None else self.weighting.lost
        return squared_deviations(self.sums[LABEL], self.sums[LABEL_SQUARED], self.mass, lost)

    def total(self, power: int) -> float:
        """One of the sums, rounded to a double."""
        return float(self.sums[power, 0])

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        totals = [self.usable, self.unpredicted, self.infinite, self.zero_labels, self.below]
        arrays: dict[str, npt.NDArray[Any]] = {
            "totals": np.array(totals, dtype=np.int64),
            "range": np.array([self.minimum, self.maximum, self.least_label, self.greatest_label]),
            "sums": self.sums.ravel(),
            "central": self.central,
            "cubes": self.cubes,
            "ranges": self.ranges,
            **self.errors.arrays("errors"),
            **self.highs.arrays("highs"),
            **self.lows.arrays("lows"),
            **self.logs.arrays("logs"),
        }
        return pack(TAG, {} if self.weighting is None else {"weights": self.weighting.stored()}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> RegressionState:
        """The state that ``to_bytes`` wrote."""
        return _restored(*unpack(data, TAG))


def _of_chunk(
    labels: Floats,
    predictions: Floats,
    weights: Floats | None = None,
    lower: Floats | None = None,
    upper: Floats | None = None,
) -> RegressionState:
    labelled, predicted = ~np.isnan(labels), ~np.isnan(predictions)
    finite = np.isfinite(labels) & np.isfinite(predictions)
    unpredicted = int(np.count_nonzero(labelled & ~predicted))
    infinite = int(np.count_nonzero(labelled & predicted & ~finite))
    if not finite.all():
        labels, predictions = labels[finite], predictions[finite]
        weights, lower, upper = (None if one is None else one[finite] for one in (weights, lower, upper))
    weighting = None if weights is None else Weighting.of(weights)
    if not labels.size:
        return replace(RegressionState.empty(), unpredicted=unpredicted, infinite=infinite, weighting=weighting)
    errors, powers = powers_of(labels, predictions)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        counted = powers if weights is None else [weights * power for power in powers]
        sums = np.stack([*map(pair_of, counted[:LABEL]), *_exact_sums(labels, weights), *map(pair_of, counted[LABEL + 1 :])])
        sums[[ERROR, SQUARED]] = _exact_sums(errors, weights)
        mean = mean_of(sums, labels.size if weighting is None else weighting.total)
        central = central_sums(labels - mean, powers[SQUARED], weights)
        cubed = [powers[place if place < LABEL_SQUARED else place - 1] for place in CUBED]
        cubes = np.array([cube_of(power, weights) for power in cubed])
        errors_by_size = Magnitudes.of(np.minimum(np.abs(errors), np.finfo(np.float64).max), weights)
    high = labels >= 0
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
        cubes=np.where(np.isnan(cubes), np.inf, cubes),
        below=int(np.count_nonzero((labels <= -1.0) | (predictions <= -1.0))),
        errors=errors_by_size,
        highs=Magnitudes.of(labels[high], None if weights is None else weights[high]),
        lows=Magnitudes.of(-labels[~high], None if weights is None else weights[~high]),
        logs=Magnitudes.of(np.sqrt(powers[LOGARITHMIC - 1]), weights),
        ranges=ranges_of(labels, weights, lower, upper),
        weighting=weighting,
    )


def _exact_sums(values: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """The exact sums of values and of their squares: a variance is the small difference of two large numbers."""
    squared, lost = squares(values)
    if weights is None:
        return pair_of(values), pair_of(squared, lost)
    return pair_of(*products(weights, values)), pair_of(*products(weights, squared), weights * lost)


def _restored(meta: Mapping[str, Any], arrays: Arrays) -> RegressionState:
    usable, unpredicted, infinite, zeros, below = counts(arrays, "totals", 5).tolist()
    minimum, maximum, least, greatest = floats(arrays, "range", 4).tolist()
    if set(meta) - {"weights"} or max(zeros, below) > usable:
        raise StateError(f"regression state: {zeros} labels of 0 among {usable} rows cannot be.")
    ordered = minimum <= maximum and least <= greatest
    if not (ordered if usable else np.isnan([minimum, maximum, least, greatest]).all()):
        raise StateError(f"regression state: {usable} rows of which errors or labels have no range.")
    sums, central, cubes = pairs(arrays, "sums", SUMS), floats(arrays, "central", 4), floats(arrays, "cubes", len(CUBED))
    logs = Magnitudes.restored(arrays, "logs") if "logs_cells" in arrays else Magnitudes.empty()  # of earlier releases
    sizes = (*(Magnitudes.restored(arrays, name) for name in ("errors", "highs", "lows")), logs)
    weighting, ranges = Weighting.restored(meta.get("weights")), floats(arrays, "ranges", 2)
    rest = (sums, central, cubes, below, *sizes, ranges, weighting)
    return RegressionState(usable, unpredicted, infinite, zeros, minimum, maximum, least, greatest, *rest)
