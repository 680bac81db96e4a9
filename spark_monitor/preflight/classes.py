"""Whether labels and predictions write their classes alike, and scores are probabilities: a bounded number of rows is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from spark_monitor.config.monitor import LabelsConfig, MonitorConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.sources.labels import id_strings, plain_ids
from spark_monitor.states.classes import canonical_label
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 10_000
SHOWN = 5
MOST_CLASSES = 200
FEWEST = 30
BACKWARDS = 0.35
"""A model that is this much worse than guessing ranks the other class."""


def class_findings(config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame) -> Iterator[Finding]:
    """Labels none of which is ever predicted, or is `positive`; scores outside [0, 1] beside a probability's threshold."""
    if config.model.task not in ("binary", "multiclass"):
        return
    try:
        yield from _class_findings(config, labels, frame, predictions)
    except PySparkException:
        return  # what cannot be read is among the findings about columns


def _class_findings(config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame) -> Iterator[Finding]:
    source = config.predictions
    label_classes = _classes(frame, labels.label)
    if not label_classes:
        return
    if config.model.task == "binary" and canonical_label(source.positive) not in label_classes:
        sentence = f'no label of up to {ROWS:,} is the positive class "{source.positive}"; found {_listed(label_classes)}'
        yield Finding("predictions.positive", f"{sentence}. Name the label that the score is the probability of.", "warning")
    for position, rule in enumerate(config.rules):
        if rule.class_ is not None and len(label_classes) < MOST_CLASSES and canonical_label(rule.class_) not in label_classes:
            sentence = f'no label of up to {ROWS:,} is "{rule.class_}"; found {_listed(label_classes)}'
            yield Finding(f"rules[{position}].class", f"{sentence}. Name one of them.", "warning")
    if source.prediction is not None and source.prediction in predictions.columns:
        predicted = _classes(predictions, source.prediction)
        if predicted and not predicted & label_classes:
            classes = f"labels are {_listed(label_classes)}, predictions {_listed(predicted)}"
            sentence = f"no label is a class that is ever predicted: {classes}"
            yield Finding("predictions.prediction", f"{sentence}. Read a view that writes both alike.", "warning")
    if source.score is not None and source.score in predictions.columns and source.prediction is None:
        yield from _score_findings(config, predictions, source.score)


def _score_findings(config: MonitorConfig, predictions: DataFrame, score: str) -> Iterator[Finding]:
    numbers = predictions.limit(ROWS).selectExpr(f"try_cast({quote(score)} AS DOUBLE) AS score")
    row = numbers.selectExpr("min(score) AS least", "max(score) AS most").collect()[0]
    if row["least"] is not None and (row["least"] < 0 or row["most"] > 1):
        threshold = config.predictions.threshold
        extent = f"scores run from {row['least']:g} to {row['most']:g}, so the threshold {threshold:g}"
        yield Finding("predictions.score", f"{extent} says nothing. Name a probability, or add `prediction`.", "warning")


def order_findings(config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame) -> Iterator[Finding]:
    """Scores that are low where the label is positive: `positive` names the other class, or the score is of the other one."""
    source = config.predictions
    if config.model.task != "binary" or source.score is None or source.score not in predictions.columns:
        return
    plain = plain_ids(predictions, source.id, frame, labels.id)
    scores = _keyed(predictions, source.id, plain, f"try_cast({quote(source.score)} AS DOUBLE) AS score").limit(ROWS)
    keyed_labels = _keyed(frame, labels.id, plain, f"{quote(labels.label)} AS label")
    pairs = keyed_labels.join(F.broadcast(scores), on=[f"i{place}" for place in range(len(source.id))], how="inner").limit(ROWS)
    rows = [(row["score"], canonical_label(row["label"])) for row in pairs.where("score = score AND label IS NOT NULL").collect()]
    positive = canonical_label(source.positive)
    area = area_under_curve([score for score, _ in rows], [label == positive for _, label in rows])
    if area is None or area > BACKWARDS:
        return
    others = sorted({label for _, label in rows if label not in (None, positive)})
    other = f' Is the positive class "{others[0]}"?' if len(others) == 1 else ""
    order = f'scores are lower where the label is "{source.positive}" (AUC {area:.2f} of {len(rows):,} rows)'
    step = "Name the class that the score is the probability of, or 1 - score."
    yield Finding("predictions.positive", f"{order}.{other} {step}", "warning")


def area_under_curve(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Mann and Whitney's AUC; None where a class has fewer than ``FEWEST`` rows.

    >>> area_under_curve([0.1, 0.9] * 50, [True, False] * 50)
    0.0
    """
    is_positive = np.array(positive, dtype=np.bool_)
    many = int(is_positive.sum())
    if min(many, is_positive.size - many) < FEWEST:
        return None
    from scipy.stats import rankdata  # a third of what all imports of a run take, for few runs

    ranks = rankdata(np.array(scores, dtype=np.float64))
    return float((ranks[is_positive].sum() - many * (many + 1) / 2) / (many * (is_positive.size - many)))


def _keyed(frame: DataFrame, names: Sequence[str], plain: Sequence[bool], sql: str) -> DataFrame:
    """Rows by the strings by which labels are joined, with one value."""
    ids = [text.alias(f"i{place}") for place, text in enumerate(id_strings(frame, names, plain=plain))]
    return frame.select(*ids, F.expr(sql))


def _classes(frame: DataFrame, column: str) -> set[str]:
    """The classes in a bounded number of rows, as they are compared."""
    rows = frame.select(quote(column)).limit(ROWS).distinct().limit(MOST_CLASSES).collect()
    return {text for text in (canonical_label(row[0]) for row in rows) if text is not None}


def _listed(names: set[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
