"""Which columns are the model's outputs, and by which slices are cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from spark_monitor.sources.predictions import Predictions
from spark_monitor.text.words import words_of

if TYPE_CHECKING:
    from spark_monitor.config.monitor import MonitorConfig

CONFIDENCE: Final = frozenset({"confidence", "probability", "proba", "prob"})
"""Words of a column that says how sure a model is of the class it predicts."""


def output_columns(config: MonitorConfig, profiled: Iterable[str] = ()) -> frozenset[str]:
    """The columns of the model's outputs: class or value and score, probabilities of classes, ends of a predicted interval.

    So is, of several classes, what stands beside them by the name of a confidence, for which the monitor's file has no key.
    """
    named = config.predictions.outputs
    if config.model.task != "multiclass" or config.predictions.score is not None:
        return named
    return named | {name for name in profiled if CONFIDENCE.intersection(words_of(name))}


def sliced_columns(config: MonitorConfig, predictions: Predictions) -> frozenset[str]:
    """The columns that slices are cut by, as far as slices name columns."""
    named = {column.name for column in predictions.columns}
    keys = {part for key in predictions.slices for part in (key.key, *key.key.split(", "))}
    return frozenset(keys & named)
