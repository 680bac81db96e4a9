"""Whether labels and predictions write their classes alike, and scores are probabilities: a bounded number of rows is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from spark_monitor.config.monitor import LabelsConfig, MonitorConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.states.classes import canonical_label
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 10_000
SHOWN = 5
MOST_CLASSES = 200


def class_findings(config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame) -> Iterator[Finding]:
    """Labels none of which is ever predicted, or is `positive`; scores outside [0, 1] beside a probability's threshold."""
    if config.model.task not in ("binary", "multiclass"):
        return
    try:
        yield from _class_findings(config, labels, frame, predictions)
    except PySparkException:
        return  # what cannot be read is said by the findings about columns


def _class_findings(config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame) -> Iterator[Finding]:
    own = config.predictions
    known = _classes(frame, labels.label)
    if not known:
        return
    if config.model.task == "binary" and canonical_label(own.positive) not in known:
        sentence = f'no label of up to {ROWS:,} is the positive class "{own.positive}"; found {_listed(known)}'
        yield Finding("predictions.positive", f"{sentence}. Name the label that the score is the probability of.", "warning")
    if own.prediction is not None and own.prediction in predictions.columns:
        said = _classes(predictions, own.prediction)
        if said and not said & known:
            sentence = f"no label is a class that is ever predicted: labels are {_listed(known)}, predictions {_listed(said)}"
            yield Finding("predictions.prediction", f"{sentence}. Read a view that writes both alike.", "warning")
    if own.score is not None and own.score in predictions.columns and own.prediction is None:
        yield from _score_findings(config, predictions, own.score)


def _score_findings(config: MonitorConfig, predictions: DataFrame, score: str) -> Iterator[Finding]:
    numbers = predictions.limit(ROWS).selectExpr(f"try_cast({quote(score)} AS DOUBLE) AS score")
    row = numbers.selectExpr("min(score) AS least", "max(score) AS most").collect()[0]
    if row["least"] is not None and (row["least"] < 0 or row["most"] > 1):
        threshold = config.predictions.threshold
        found = f"scores run from {row['least']:g} to {row['most']:g}, so the threshold {threshold:g}"
        yield Finding("predictions.score", f"{found} says nothing. Name a probability, or add `prediction`.", "warning")


def _classes(frame: DataFrame, column: str) -> set[str]:
    """The classes in a bounded number of rows, as they are compared."""
    rows = frame.select(quote(column)).limit(ROWS).distinct().limit(MOST_CLASSES).collect()
    return {text for text in (canonical_label(row[0]) for row in rows) if text is not None}


def _listed(names: set[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
