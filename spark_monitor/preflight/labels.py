"""Whether labels can meet predictions: the label table's columns, and ids of both that are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.config.monitor import LabelsConfig, MonitorConfig
from spark_monitor.preflight.classes import class_findings, order_findings
from spark_monitor.preflight.columns import (
    Finding,
    id_type_findings,
    label_roles,
    role_findings,
)
from spark_monitor.preflight.opened import attempt, has_rows, of_values, row_findings
from spark_monitor.sources.labels import LABEL_COLUMNS, id_strings, plain_ids

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


IDS_COMPARED = 10_000


def label_findings(
    config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame | None, *, rows: bool
) -> Iterator[Finding]:
    taken = [name for name in labels.id if name.lower() in LABEL_COLUMNS]
    yield from (
        Finding("labels.id", f'the name "{name}" is taken by a column that is computed. Rename it in a view.') for name in taken
    )
    wrong = list(role_findings(frame.schema, label_roles(labels, numeric=config.model.task == "regression"), labels))
    empty = list(row_findings(frame, labels, "labels", "metrics of the model wait for labels")) if rows else []
    yield from [*wrong, *empty]
    if predictions is None:
        return
    yield from id_type_findings(config, labels, predictions.schema, frame.schema)
    comparable = {*config.predictions.id} <= {*predictions.columns} and {*labels.id} <= {*frame.columns}
    if rows and comparable and not wrong and not empty:
        yield from _meeting_findings(config, labels, frame, predictions)
        yield from class_findings(config, labels, frame, predictions)
        yield from of_values(lambda: order_findings(config, labels, frame, predictions))


def _meeting_findings(config: MonitorConfig, labels: LabelsConfig, frame: DataFrame, predictions: DataFrame) -> Iterator[Finding]:
    """Ids of two tables that have rows and never meet."""
    ids = config.predictions.id
    plain = plain_ids(predictions, ids, frame, labels.id)
    they_meet, reason = attempt(lambda: _ids_meet(_ids(predictions, ids, plain), _ids(frame, labels.id, plain)))
    if reason is not None:
        yield Finding("labels.id", f"ids of {labels.text} and {config.predictions.text} cannot be compared: {reason}")
    elif not they_meet:
        never = f"none of up to {IDS_COMPARED:,} ids of {labels.text} is in {config.predictions.text}, nor the other way round"
        if_wrong = f"Name the column of {labels.text} that holds {', '.join(config.predictions.id)}"
        yield Finding("labels.id", f"{never}. {if_wrong}, unless its labels are still to come.", level="warning")


def _ids(frame: DataFrame, names: tuple[str, ...], plain: Sequence[bool]) -> DataFrame:
    """The id columns as the strings by which labels are joined, rows without an id left out."""
    strings = enumerate(id_strings(frame, names, plain=plain))
    return frame.select(*(text.alias(f"i{position}") for position, text in strings)).dropna(how="any")


def _ids_meet(left: DataFrame, right: DataFrame) -> bool:
    """Asked from both sides, as one table may hold far more than the other; without predictions nothing can meet."""
    return _meet(left, right) or _meet(right, left) or not has_rows(left)


def _meet(many: DataFrame, few: DataFrame) -> bool:
    """Whether one of a bounded number of ids is among the others; the search ends at the first."""
    return has_rows(many.join(F.broadcast(few.limit(IDS_COMPARED)), on=many.columns, how="left_semi"))
