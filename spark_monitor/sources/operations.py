"""The serving system's log in the columns that a task expects: a row a request, a row a sample, or Databricks' own tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.config.operations import OUR_NAMES, OperationsConfig
from spark_monitor.kernel.requests import BUCKET_COLUMNS, BUCKETS, COLUMNS, UNLOGGED
from spark_monitor.sources.histograms import BUCKET, COUNT, EDGE, SUM, edge_sql, fallen
from spark_monitor.sources.readers.rows import within_any
from spark_monitor.sources.tables import beside, filled, first_of, number_sql, open_table, sql_of, text_sql, time_sql, type_of
from spark_monitor.text.quoting import literal, quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LONG, DATABRICKS = "long", "databricks"
COUNTERS = "_total"
"""What metrics that only grow are called, as Prometheus and OpenMetrics have it; what they add is what is counted."""

LOOK_BEHIND = 3_600_000_000
"""Microseconds before a row in which its counter's last value, or the request that it repeats, is looked for.

So much is read before a window, which makes its numbers the same whatever other windows are read with it.
"""

LABELS = {
    "endpoint": ("endpoint", "endpoint_name", "EndpointName", "route", "handler", "path"),
    "model_version": ("model_version", "version", "VariantName"),
    "host": ("host", "instance", "hostname", "pod", "node"),
    "cluster": ("cluster", "cluster_name", "job"),
}
"""Labels of ``format: long`` that are looked at where the file names no expression."""


@dataclass(frozen=True)
class RequestLog:
    """The log, read: a frame of ``COLUMNS``, the table as it is stored, and which columns it has.

    ``unit`` is that of the latencies as they are stored.
    """

    frame: DataFrame
    stored: DataFrame
    has: frozenset[str]
    unit: str
    counts_apart: bool
    request_id: bool
    counters: bool = False
    sampled: bool = False
    """Whether rows say of how many requests they are one (``unlogged`` besides)."""
    histogram: bool = False
    """Whether latencies come in a histogram's buckets, in rows with an ``edge``."""

    def rows(self, spans: Sequence[tuple[int, int]], zone: str) -> DataFrame:
        """The rows of these spans of time; one that repeats an id counts as a copy, counters as what they added."""
        behind = LOOK_BEHIND if self.counters or self.request_id else 0
        kept = self.frame.where(within_any(self.frame, "time", [(a - behind, b) for a, b in spans], zone=zone, with_null=False))
        if self.histogram:
            return _with_buckets(kept)
        if self.counters:
            kept = _increments(kept)
        if self.request_id:
            kept = _once(kept)
        return kept.select(*COLUMNS, *([UNLOGGED] if self.sampled else []))


def open_operations(spark: SparkSession, section: OperationsConfig) -> RequestLog:
    """The log as the section describes it."""
    frame = open_table(spark, section)
    if section.format == LONG:
        return _long(frame, section)
    if section.format == DATABRICKS:
        frame = _with_entities(spark, frame, section)
    named = _roles(section)
    if section.format == DATABRICKS:
        named = {**_databricks(frame), **{role: sql_of(frame, text) for role, text in _roles(section, written=True).items()}}
    else:
        named = {role: sql_of(frame, text) for role, text in named.items()}
    seconds = section.latency_seconds is not None
    latency = sql_of(frame, section.latency_seconds) if seconds else named.get("latency")
    selected = {
        "time": time_sql(frame, named["time"]),
        "endpoint": text_sql(named.get("endpoint", "NULL")),
        "version": text_sql(named.get("model_version", "NULL")),
        "host": text_sql(named.get("host", "NULL")),
        "cluster": text_sql(named.get("cluster", "NULL")),
        "requests": "1D",
        "failed": f"CAST(CAST({named.get('failed', 'NULL')} AS BOOLEAN) AS DOUBLE)",
        "copies": "0D",
        "latency": f"1000D * {number_sql(latency)}" if seconds and latency else number_sql(latency or "NULL"),
        **{name: number_sql(named.get(key, "NULL")) for name, key in _LOADS.items()},
    }
    ids = {"id": text_sql(named["request_id"])} if "request_id" in named else {}
    fraction = first_of(frame, "sampling_fraction") if section.format == DATABRICKS else None
    if fraction is not None:
        selected[UNLOGGED] = f"CASE WHEN {fraction} > 0 AND {fraction} < 1 THEN 1D / {fraction} - 1D ELSE 0D END"
    has = {"version" if role == "model_version" else role for role in named} | ({"latency"} if latency else set())
    has |= {UNLOGGED} if fraction is not None else set()
    has = {next((short for short, key in _LOADS.items() if key == role), role) for role in has}
    read = frame.selectExpr(*(f"{sql} AS {quote(name)}" for name, sql in {**selected, **ids}.items()))
    return RequestLog(read, frame, frozenset(has), "s" if seconds else "ms", False, bool(ids), sampled=fraction is not None)


_LOADS = {"cpu": "cpu_percent", "gpu": "gpu_percent", "memory": "memory_bytes"}


def _roles(section: OperationsConfig, *, written: bool = False) -> dict[str, str]:
    """Each role that the section names, and its column or expression."""
    roles = {
        "time": section.time,
        "latency": section.latency_ms,
        **{
            name: getattr(section, name)
            for name in ("endpoint", "model_version", "failed", "request_id", "host", "cluster", *_LOADS.values())
        },
    }
    return {role: text for role, text in roles.items() if text is not None}


def _databricks(frame: DataFrame) -> dict[str, str]:
    """What inference tables, of AI Gateway or older, and ``system.serving.endpoint_usage`` call each role."""
    entity = first_of(frame, "endpoint_name", "served_entity_id")
    roles = {
        "time": first_of(frame, "request_time", "timestamp_ms", "timestamp", "date", "request_date"),
        "latency": first_of(frame, "execution_duration_ms", "execution_time_ms"),
        "endpoint": None if entity is None else filled(frame, "endpoint_name", "served_entity_id"),
        "request_id": first_of(frame, "databricks_request_id"),
        "model_version": first_of(frame, "model_version", "entity_version"),
    }
    status = first_of(frame, "status_code")
    metadata = first_of(frame, "request_metadata")
    if metadata is not None and isinstance(type_of(frame, metadata), T.MapType):
        roles["endpoint"] = roles["endpoint"] or f"{metadata}['endpoint_name']"
        roles["model_version"] = roles["model_version"] or f"{metadata}['model_version']"
    if status is not None:
        roles["failed"] = f"({number_sql(status)} >= 400)"
    return {role: sql for role, sql in roles.items() if sql is not None}


def _with_entities(spark: SparkSession, frame: DataFrame, section: OperationsConfig) -> DataFrame:
    """Usage with the endpoint's name and the model's version, which ``served_entities`` beside it tells, where it can be read."""
    if first_of(frame, "endpoint_name") is not None or first_of(frame, "served_entity_id") is None:
        return frame
    try:
        entities = open_table(spark, beside(section, "served_entities"))
        names = [name for name in ("endpoint_name", "entity_version") if first_of(entities, name) is not None]
        newest = [F.max_by(name, "change_time").alias(name) for name in names]
        latest = entities.groupBy("served_entity_id").agg(*newest)
    except Exception:  # no such table, or no right to read it: the entity's id is its name
        return frame
    return frame.join(F.broadcast(latest), on="served_entity_id", how="left")


def _long(frame: DataFrame, section: OperationsConfig) -> RequestLog:
    """Rows of a metric's name and value: counts are added up, latencies and loads are samples."""
    names = dict(section.names) or {name: name for name in OUR_NAMES}
    metric, value = text_sql(sql_of(frame, section.metric)), number_sql(sql_of(frame, section.value))
    buckets = {theirs: 1000.0 if ours == "latency_seconds" else 1.0 for theirs, ours in section.histograms.items()}
    names = {theirs: ours for theirs, ours in names.items() if theirs not in buckets}
    counts = {f"{theirs.removesuffix(BUCKET)}{COUNT}": "requests_total" for theirs in buckets}
    names |= {} if any(ours.startswith("requests") for ours in names.values()) else counts
    sums = {f"{theirs.removesuffix(BUCKET)}{SUM}": unit for theirs, unit in buckets.items()}
    grown = [theirs for theirs, ours in names.items() if ours.endswith(COUNTERS) or theirs.endswith(COUNTERS)] + list(sums)
    of = {ours: [theirs for theirs, mapped in names.items() if mapped.removesuffix(COUNTERS) == ours] for ours in OUR_NAMES}
    labels = {role: _label(frame, section, role) for role in LABELS}
    latency = f"coalesce({_when(metric, value, of['latency_ms'])}, 1000D * {_when(metric, value, of['latency_seconds'])})"
    selected = {
        "time": time_sql(frame, sql_of(frame, section.time)),
        "endpoint": labels["endpoint"],
        "version": labels["model_version"],
        "host": labels["host"],
        "cluster": labels["cluster"],
        "requests": _when(metric, value, of["requests"]),
        "failed": _when(metric, value, of["failed_requests"]),
        "copies": "0D",
        "latency": latency,
        **{name: _when(metric, value, of[key]) for name, key in _LOADS.items()},
        "grows": _in(metric, grown),
        "series": f"concat_ws('|', {metric}, {text_sql(_labels_text(frame, section, without=EDGE if buckets else None))})",
        "raw": value,
    }
    if buckets:
        edge = text_sql(_read(frame, section, EDGE))
        edges = " ".join(f"WHEN {metric} = {literal(name)} THEN {edge_sql(edge, unit)}" for name, unit in buckets.items())
        units = " ".join(f"WHEN {metric} = {literal(name)} THEN {unit!r}" for name, unit in sums.items())
        selected |= {"is_bucket": _in(metric, list(buckets)), "edge": f"CASE {edges} END", "unit": f"CASE {units} END"}
    read = frame.where(F.expr(_in(metric, [*names, *buckets, *sums]))).selectExpr(
        *(f"{sql} AS {quote(n)}" for n, sql in selected.items())
    )
    written = (
        [*names.values(), *section.histograms.values()]
        if section.names
        else ("requests", "failed_requests", "latency_ms", *_LOADS.values())
    )
    ours = {name.removesuffix(COUNTERS) for name in written}
    has = {role for role in ("endpoint", "host", "cluster") if labels[role] != "CAST(NULL AS STRING)"}
    has |= {"version"} if labels["model_version"] != "CAST(NULL AS STRING)" else set()
    has |= {"failed"} if "failed_requests" in ours else set()
    has |= {"latency"} if ours & {"latency_ms", "latency_seconds"} else set()
    has |= {BUCKETS} if buckets else set()
    has |= {name for name, key in _LOADS.items() if key in ours}
    unit = "s" if "latency_seconds" in ours else "ms"
    whole = {"counts_apart": True, "request_id": False, "counters": bool(grown or buckets), "histogram": bool(buckets)}
    return RequestLog(read, frame, frozenset(has), unit, **whole)


def _in(metric: str, names: list[str]) -> str:
    return f"{metric} IN ({', '.join(map(literal, names))})" if names else "false"


def _when(metric: str, value: str, names: list[str]) -> str:
    return f"CASE WHEN {_in(metric, names)} THEN {value} END" if names else "CAST(NULL AS DOUBLE)"


def _labels_text(frame: DataFrame, section: OperationsConfig, *, without: str | None = None) -> str:
    """The labels as one text that is the same for the same series; ``without`` one of them."""
    if section.labels is None:
        return "''"
    sql = sql_of(frame, section.labels)
    if without is not None:
        pairs = sql if _is_map(frame, sql) else f"from_json({sql}, 'map<string, string>')"
        kept = f"map_filter({pairs}, (name, text) -> name <> {literal(without)})"
        return f"to_json(map_from_entries(array_sort(map_entries({kept}))))"
    return f"to_json(map_from_entries(array_sort(map_entries({sql}))))" if _is_map(frame, sql) else sql


def _is_map(frame: DataFrame, sql: str) -> bool:
    return isinstance(type_of(frame, sql), T.MapType)


def _label(frame: DataFrame, section: OperationsConfig, role: str) -> str:
    """What the section names, else the labels that are usually called so."""
    written = getattr(section, role)
    if written is not None:
        return text_sql(sql_of(frame, written))
    if section.labels is None:
        return text_sql("NULL")
    return text_sql(f"coalesce({', '.join(_read(frame, section, name) for name in LABELS[role])})")


def _read(frame: DataFrame, section: OperationsConfig, name: str) -> str:
    """The value of a label."""
    sql = sql_of(frame, section.labels)
    return f"try_element_at({sql}, {literal(name)})" if _is_map(frame, sql) else f"get_json_object({sql}, {literal(f'$.{name}')})"


def _with_buckets(rows: DataFrame) -> DataFrame:
    """What buckets gained in rows of their own, beside all other rows."""
    buckets = fallen(rows.where("is_bucket")).withColumn("took", F.lit(None).cast("double"))
    # The sum of what was observed is a counter as well.
    others = _increments(rows.where("NOT is_bucket")).withColumn("took", F.expr("unit * added"))
    apart = {name: F.lit(None).cast("double") for name in BUCKET_COLUMNS if name != "took"}
    columns = (*COLUMNS, *BUCKET_COLUMNS)
    return others.withColumns(apart).select(*columns).unionByName(buckets.select(*columns))


def _increments(rows: DataFrame) -> DataFrame:
    """Counters as what they added since their series' last value: after a reset, which is a smaller value, all that they show.

    Samples that are no finite number, such as the NaN by which Prometheus says that a series has ended, are no values.
    """
    partition = "(PARTITION BY series, endpoint, version, host, cluster ORDER BY time, raw)"
    before = f"lag(raw) IGNORE NULLS OVER {partition}"
    added = f"CASE WHEN {before} IS NULL THEN NULL WHEN raw < {before} THEN raw ELSE raw - {before} END"
    finite = rows.withColumn("raw", F.expr("CASE WHEN abs(raw) < double('Infinity') THEN raw END"))
    with_increments = finite.withColumn("added", F.expr(added))
    grown = {
        name: F.expr(f"CASE WHEN grows AND {name} IS NOT NULL THEN added ELSE {name} END") for name in ("requests", "failed")
    }
    return with_increments.withColumns(grown)


def _once(rows: DataFrame) -> DataFrame:
    """A row with the id of one up to an hour before is no request but a copy, of which nothing else is counted."""
    there = [name for name in (*COLUMNS, UNLOGGED) if name in rows.columns]
    rest = [name for name in there if name not in ("time", "endpoint", "version", "requests", "copies")]
    # Rows without an id stand each alone: together they would be one task's.
    named = rows.withColumn("request", F.coalesce(F.concat(F.lit("="), "id"), F.monotonically_increasing_id().cast("string")))
    moment = "unix_micros(CAST(time AS TIMESTAMP))"
    before = f"lag({moment}) OVER (PARTITION BY request ORDER BY {moment}, struct(endpoint, version, {', '.join(rest)}))"
    marked = named.withColumn("copy", F.expr(f"coalesce({moment} - {before} <= {LOOK_BEHIND}, false)"))
    kept = [f"CASE WHEN NOT copy THEN {name} END AS {name}" for name in rest]
    counted = ("CASE WHEN copy THEN 0D ELSE requests END AS requests", "CASE WHEN copy THEN 1D ELSE 0D END AS copies")
    return marked.selectExpr("time", "endpoint", "version", *counted, *kept)
