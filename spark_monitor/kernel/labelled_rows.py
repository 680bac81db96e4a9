"""The labelled rows of a chunk as arrays: labels, predictions and scores as the model's task reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.groups import Codes
from spark_monitor.kernel.spans import one_array
from spark_monitor.states.classes import BINARY_CLASSES, ClassCodes, canonical_label, canonical_labels
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.paired import PARTS

COLUMNS = (
    *("label", "prediction", "score", "label_rows", "label_conflicts", "label_time", "weight", "lower", "upper", "group"),
    *("versions", "part"),
)
"""What stands behind the slice values, in this order; the classes' scores follow."""


@dataclass(frozen=True)
class LabelledRows:
    """The labels and predictions of a chunk's labelled rows, in the form that the model's task needs."""

    rows: Integers
    labels: ClassCodes | None
    predictions: ClassCodes | None
    scores: Floats | None
    label_numbers: Floats | None
    predicted_numbers: Floats | None
    weights: Floats | None = None
    lower: Floats | None = None
    upper: Floats | None = None
    groups: Integers | None = None
    class_scores: Floats | None = None
    label_places: Integers | None = None
    predicted_places: Integers | None = None
    relevances: Floats | None = None
    ranked_by: Floats | None = None
    sharers: Codes | None = None
    shared: Integers | None = None
    leaves: Integers | None = None

    def weighed(self, rows: Integers) -> Integers:
        """Those of some rows that have a weight, all where rows have none."""
        return rows if self.weights is None else rows[self.weights[rows] > 0]

    def weights_of(self, rows: Integers) -> Floats | None:
        """The weights of some rows; None where rows have none."""
        return None if self.weights is None else self.weights[rows]


def stacked(chunk: pa.Table, first: int, many: int) -> Floats:
    """So many columns of doubles from one on, float64[n, many]."""
    return np.stack([doubles_of(one_array(chunk.column(first + place))) for place in range(many)], axis=1)


def whole_groups(tables: Iterable[pa.Table], column: int) -> Iterator[pa.Table]:
    """Tables cut so that no group, whose rows follow each other, lies in two; rows of no group come first, cut anywhere."""
    kept: pa.Table | None = None
    for table in tables:
        joined = table if kept is None else pa.concat_tables([kept, table])
        ids = one_array(joined.column(column))
        groups, alone = np.asarray(pc.fill_null(ids, 0).to_numpy(zero_copy_only=False), dtype=np.int64), flags_of(ids.is_null())
        other = np.flatnonzero((groups != groups[-1]) | alone) if groups.size else groups
        cut = int(other[-1]) + 1 if other.size else 0
        if cut:
            yield joined.slice(0, cut)
        kept = joined.slice(cut)
    if kept is not None and kept.num_rows:
        yield kept


def sharers_of(versions: pa.Array, part: pa.Array) -> tuple[Codes, Integers]:
    """Which versions scored each row, and a number of these and of the row's part; -1 where one version alone did."""
    sharers = Codes()
    codes = sharers.encode(versions)
    parts = np.asarray(pc.fill_null(part, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return sharers, np.where(flags_of(versions.is_null()), -1, codes * PARTS + parts)


def relevances_of(label: pa.Array, task: str, positive: object) -> Floats:
    """How relevant rows are: the label itself where it is a number of a regression, else whether it is the positive one."""
    if task == "regression":
        return doubles_of(label)
    codes = yes_or_no(canonical_labels(label), positive).codes
    return np.where(codes < 0, np.nan, codes).astype(np.float64)


def places_of(codes: ClassCodes, classes: tuple[str, ...]) -> Integers:
    """Each row's class as a place among those that have scores; -1 for any other."""
    places = {name: place for place, name in enumerate(classes)}
    table = np.array([*(places.get(name, -1) for name in codes.classes), -1], dtype=np.int64)
    return table[codes.codes]


def delays_of(times: pa.Array, labelled: pa.Array) -> Floats:
    """Seconds from prediction to label, 0 where the label came first, NaN where there is none."""
    at, came = (doubles_of(one) for one in (times, labelled))
    return np.maximum((came - at) / 1e6, 0.0)


def yes_or_no(codes: ClassCodes, positive: object) -> ClassCodes:
    """Whether each class is the positive one; rows without a class stay without."""
    positive_label = canonical_label(positive)
    is_positive = np.array([name == positive_label for name in codes.classes], dtype=np.int64)
    numbers = np.append(is_positive, -1)[codes.codes]
    return ClassCodes(numbers, BINARY_CLASSES)


def flags_of(array: pa.Array) -> np.ndarray:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)


def doubles_of(array: pa.Array) -> Floats:
    """Doubles, NaN where there is no number; booleans are 0 and 1."""
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    doubles = array.cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(doubles, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)
