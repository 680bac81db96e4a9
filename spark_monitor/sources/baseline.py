"""The frozen baseline of a monitor as a run uses it: the current version's columns, and where its states are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.errors import RunError
from spark_monitor.kernel.covariances import COVARIANCE_ROW
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.readers.rows import Kind, ReadColumn, inside_sql
from spark_monitor.states.categorical import Categories
from spark_monitor.states.columns import DAMAGED_ROW, STATE_COLUMNS
from spark_monitor.states.grid import Grid
from spark_monitor.text.masking import mask_forms
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import BaselineConfig, MonitorConfig


CODES = "codes"
"""The fact that a column's integers are names, and all of them edges of its grid."""

QUARTILES = ("p25", "p50", "p75")
"""The facts that cut a column of numbers in four."""


@dataclass(frozen=True)
class Baseline:
    """One version: its columns by name in the order of its table, and its stored states (slice, column, the state, error)."""

    version: int
    columns: Mapping[str, FrozenColumn]
    states: DataFrame
    references: Mapping[str, DataFrame] = field(default_factory=dict)
    """The states of further frozen periods by their names, on the same grids."""

    covariance: DataFrame | None = None
    """How its numeric columns move together (slice_key, slice_value, sketch); None where it was frozen without."""

    covariance_slices: tuple[tuple[str, str, int], ...] = ()
    """The slices that ``covariance`` has: key, value, rows."""


def signature(config: MonitorConfig, slice_keys: Sequence[str]) -> str:
    """What a baseline was frozen with, as JSON without secrets: a monitor whose file says something else needs a new version."""
    baseline = config.baseline
    source: dict[str, str | None] = {"table": None, "path": None, "where": None}
    if baseline is not None:
        source = {"table": baseline.table, "path": _address(baseline.path), "where": _condition(baseline.where)}
    settings: dict[str, object] = {**source, "slices": list(slice_keys), "max_slice_values": config.max_slice_values}
    frozen = [one for one in config.baselines if one.kind == "frozen"]
    more = [(one.name, one.table, _address(one.path), _condition(one.where)) for one in frozen]
    if more:
        settings["references"] = more
    if config.max_correlated_columns != type(config).model_fields["max_correlated_columns"].default:
        settings["max_correlated_columns"] = config.max_correlated_columns
    if baseline is not None and baseline.label is not None:
        settings["label"] = baseline.label
    if config.columns:  # baselines that were frozen without any stay what they are
        settings["columns"] = config.columns
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


def _address(path: str | None) -> str | None:
    """A path without its secrets: another password is no other table."""
    return None if path is None else mask_forms(path)


def _condition(sql: str | None) -> str | None:
    """A condition without its secrets; its checksum tells it from one with others, which chooses other rows.

    >>> _condition("day < '2024-02-01'"), _condition("link = 'https://ann:abc@host'")
    ("day < '2024-02-01'", "link = 'https://***@host' (2f7952ff925e)")
    """
    masked = None if sql is None else mask_forms(sql)
    return masked if sql is None or masked == sql else f"{masked} ({hashlib.sha256(sql.encode()).hexdigest()[:12]})"


def accepted_by(config: MonitorConfig, latest: Latest) -> BaselineConfig | None:
    """The accepted period that a baseline is, which was stored without the secrets in its table's path."""
    accepted, path = latest.accepted, config.predictions.path
    if accepted is None or path is None or accepted.path != _address(path):
        return accepted
    return accepted.model_copy(update={"path": path})


@dataclass(frozen=True)
class Latest:
    """The newest version of a baseline: what it was frozen with, and the accepted period that it is, if it is one."""

    version: int
    signature: str
    accepted: BaselineConfig | None = None


def latest_version(stored: DataFrame) -> Latest | None:
    """The newest version among stored rows; one whose row is damaged has that for its signature, which nothing else has."""
    newest = stored.where(F.col("column_name") == TABLE_ROW).where("slice_key IS NULL AND name IS NULL")
    rows = newest.select("baseline_version", "config", "message").orderBy(F.desc("baseline_version")).limit(1).collect()
    if not rows:
        return None
    if rows[0]["message"] == DAMAGED_ROW:
        return Latest(int(rows[0]["baseline_version"]), DAMAGED_ROW)
    from spark_monitor.config.monitor import BaselineConfig  # workers import this file, and need no configuration

    settings = json.loads(rows[0]["config"])
    accepted = settings.get("accepted")
    return Latest(
        int(rows[0]["baseline_version"]),
        str(settings["signature"]),
        BaselineConfig.model_validate(accepted) if accepted is not None else None,
    )


def accepted_period(config: MonitorConfig, frame: DataFrame, start: datetime, end: datetime) -> BaselineConfig:
    """The predictions of an accepted period as a baseline; labelled where the monitor has labels."""
    from spark_monitor.config.monitor import BaselineConfig

    predictions = config.predictions
    where = inside_sql(frame, predictions.time, [(micros(start), micros(end))], zone=config.windows.zone)
    labels = config.labels is not None
    settings = {
        "table": predictions.table,
        "path": predictions.path,
        "format": predictions.format,
        "where": where,
        "labels": labels,
    }
    return BaselineConfig.model_validate({name: value for name, value in settings.items() if value is not None})


def load_baseline(stored: DataFrame, version: int, references: Sequence[str] = ()) -> Baseline:
    """A version from its stored rows; what comes to the driver is one frame per column."""
    of_version = stored.where(F.col("baseline_version") == version)
    of_file = of_version.where("name IS NULL")
    is_covariance = f"column_name = '{COVARIANCE_ROW}' AND get_json_object(config, '$.kind') IS NULL"
    states, together = of_file.where(f"NOT ({is_covariance})"), of_file.where(is_covariance)
    whole = states.where("slice_key IS NULL").where(F.col("column_name") != TABLE_ROW)
    named = ["column_name", "data_type", "grid", "categories", "config", "slice_key", "slice_value", "count", "message"]
    rows = whole.unionByName(together).select(*named).collect()
    _refuse_damaged(rows, version)
    columns = sorted((_placed(row) for row in rows if not _is_covariance(row)), key=lambda placed: placed[0])
    correlated = [row for row in rows if _is_covariance(row)]
    slices = tuple((row["slice_key"], row["slice_value"], row["count"]) for row in correlated if row["slice_value"] is not None)
    others = {name: _states(of_version.where(F.col("name") == name)) for name in references}
    covariance = together.select("slice_key", "slice_value", "sketch") if correlated else None
    return Baseline(version, {column.name: column for _, column in columns}, _states(states), others, covariance, slices)


def _refuse_damaged(rows: Iterable[Any], version: int) -> None:
    """RunError where rows that say what a baseline is are not as they were written; of slices the states alone are missed."""
    damaged = sorted({row["column_name"] for row in rows if row["message"] == DAMAGED_ROW})
    if damaged:
        raise damaged_baseline(version, damaged)


def damaged_baseline(version: int, columns: Sequence[str]) -> RunError:
    """The message about a baseline that cannot be trusted."""
    return RunError(
        f"baseline {version}: the stored rows of {', '.join(columns)} are damaged, their checksums do not fit. Restore the table "
        "`baselines` to the version before the damage, or freeze the next version: spark-monitor freeze FILE."
    )


def _is_covariance(row: Any) -> bool:
    return row["column_name"] == COVARIANCE_ROW and "kind" not in json.loads(row["config"])


def _states(rows: DataFrame) -> DataFrame:
    return rows.selectExpr("slice_key", "slice_value", "column_name", "grid_id", *map(quote, STATE_COLUMNS), "message AS error")


def frozen_names(config: MonitorConfig) -> list[str]:
    """The names of the further frozen references."""
    return [one.name for one in config.baselines if one.kind == "frozen"]


def _placed(row: Any) -> tuple[int, FrozenColumn]:
    settings = json.loads(row["config"])
    grid, categories = row["grid"], row["categories"]
    column = FrozenColumn(
        row["column_name"],
        row["data_type"],
        Kind(settings["kind"]),
        Grid(np.array(grid)) if grid is not None else None,
        Categories(tuple(categories)) if categories is not None else None,
        settings.get("facts") or {},
    )
    return int(settings["position"]), column


def settings_text(column: FrozenColumn, position: int, signature_text: str) -> str:
    """What a baseline's rows hold of a column besides its frame; the same text in whatever order Spark hands on its facts."""
    facts = dict(sorted(column.facts.items()))
    settings = {"signature": signature_text, "kind": str(column.kind), "position": position, "facts": facts}
    return json.dumps(settings, ensure_ascii=False)


def stored_rows(
    states: DataFrame,
    frozen: Iterable[FrozenColumn],
    *,
    signature_text: str,
    correlated: bool,
    accepted: BaselineConfig | None = None,
) -> DataFrame:
    """The baseline's states with each column's frame and settings beside them, one row per slice and column.

    A column without a state (its type has none, or the baseline has no rows) keeps one row that says what it was.
    """
    spark = states.sparkSession
    described = [
        (
            column.name,
            column.grid.edges.tolist() if column.grid is not None else None,
            list(column.categories.texts) if column.categories is not None else None,
            settings_text(column, position, signature_text),
        )
        for position, column in enumerate(frozen)
    ]
    settings: dict[str, object] = {"signature": signature_text}
    if accepted is not None:
        settings["accepted"] = accepted.model_copy(update={"path": _address(accepted.path)}).model_dump(exclude_none=True)
    for name in (TABLE_ROW, *((COVARIANCE_ROW,) if correlated else ())):
        described.append((name, None, None, json.dumps(settings, ensure_ascii=False)))
    ddl = "column_name string, grid array<double>, categories array<string>, config string"
    frames = local_frame(spark, described, ddl)
    return states.join(frames, on="column_name", how="right")


@dataclass(frozen=True)
class FrozenColumn:
    """One column of a baseline: its type then, and the grid or the categories that its states are counted on."""

    name: str
    data_type: str
    kind: Kind
    grid: Grid | None = None
    categories: Categories | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    """What its baseline's values were: of numbers their ends, mean, quartiles and deviation; of integers whether they are
    ``codes``; of strings whether the categories are ``complete`` and which fraction of them ``parsed`` as numbers."""

    @property
    def codes(self) -> tuple[float, ...] | None:
        """The integers of its baseline where they are names; None where its values are none."""
        if not self.facts.get(CODES) or self.grid is None:
            return None
        edges = self.grid.edges
        return tuple(edges[(edges >= self.facts["least"]) & (edges <= self.facts["greatest"])].tolist())

    @property
    def kernel(self) -> KernelColumn:
        """What a task must know of it."""
        return KernelColumn(self.name, self.grid, self.categories)


def unframed(column: ReadColumn) -> FrozenColumn:
    """A column that has no baseline: a grid of zero alone, or no categories."""
    numeric = column.kind in (Kind.NUMERIC, Kind.SIZE)
    grid = Grid.trivial() if numeric else None
    categories = Categories() if column.kind is Kind.CATEGORICAL else None
    return FrozenColumn(column.name, column.data_type, column.kind, grid, categories)
