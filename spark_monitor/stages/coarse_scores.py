"""Coarse windows of how the model does, from what is stored of finer ones: their rows are not joined with labels again.

A stored window can be used where its last run had this run's profile hash, its labels are what they were then, nothing of it is
damaged and none of its slice values were counted together; else its rows are read. With ``groups`` rows are always read: a group
may straddle the end of a finer window, and what its order is worth does not follow from the worth of its parts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.kernel.batches import with_column
from spark_monitor.kernel.partials import OTHER
from spark_monitor.kernel.scored_states import COVERAGE, KIND_NAMES
from spark_monitor.stages.coarse import STORED, Parts, place_of, slice_number
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.scored_rows import STORED_STATE
from spark_monitor.stages.searched_slices import of_named_slices
from spark_monitor.states.named_arrays import stored_bytes
from spark_monitor.store.rows import BASELINE_GRANULARITY
from spark_monitor.text.quoting import literal
from spark_monitor.windowing.composition import candidates, compose
from spark_monitor.windowing.due import DueWindow, Handled

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PACKED_DDL = (
    "kind string, granularity string, start long, model_version string, slice_key string, slice_value string, state binary"
)


@dataclass(frozen=True)
class LabelledWindows:
    """What runs left of the windows that they handled, and a number for the labels that each has now."""

    handled: Mapping[DueWindow, Handled]
    fingerprints: Mapping[DueWindow, int]

    def as_they_were(self, one: DueWindow) -> bool:
        """Whether a window's labels are those that its last run saw."""
        return (self.fingerprints.get(one) or 0) == (self.handled[one].label_fingerprint or 0)


def scored_parts(run: Run, due: Sequence[DueWindow], labelled: LabelledWindows) -> Parts:
    """The stored windows that the due ones can be put together from, as far as the ledger tells."""
    if run.config.groups is not None:
        return {}
    granularities = run.schedule.granularities
    usable = [
        one
        for one in candidates(due, labelled.handled, granularities)
        if labelled.handled[one].last_hash == run.profile_hash
        and labelled.as_they_were(one)
        and not (run.pruned_until and one.window.end <= run.pruned_until)
    ]
    parts = compose(due, usable, granularities)
    return {number: parts[one] for number, one in enumerate(due) if one in parts}


def sound_before(run: Run, parts: Parts, baseline_version: int | None) -> tuple[Parts, bool]:
    """The parts that are stored soundly, and whether the labelled baseline of a version is; one row for each comes to the driver.

    A window without states had no rows.
    """
    finer = {part for several in parts.values() for part in several}
    if not finer and baseline_version is None:
        return parts, True
    conditions = [f"log_type = '{INPUT}' AND {run.store.in_windows(run.monitor_id, finer)}"] if finer else []
    conditions += [f"log_type <> '{INPUT}' AND baseline_version = {baseline_version}"] if baseline_version is not None else []
    stored = run.store.committed("model_states").where(F.col("monitor_id") == run.monitor_id)
    chosen = stored.where(" OR ".join(f"({one})" for one in conditions))
    sound = F.expr(f"bool_and(properties IS NOT NULL AND NOT (log_type = '{INPUT}' AND slice_value <=> '{OTHER}'))")
    rows = chosen.groupBy("granularity", F.expr("unix_micros(window.start)").alias("start")).agg(sound.alias("sound")).collect()
    is_sound = {(row["granularity"], row["start"]): bool(row["sound"]) for row in rows}
    of_baseline = [kept for (granularity, _), kept in is_sound.items() if granularity == BASELINE_GRANULARITY]
    sound_parts = {
        number: tuple(part for part in several if is_sound.get(place_of(part), True)) for number, several in parts.items()
    }
    kept_parts = {number: several for number, several in sound_parts.items() if several}
    return kept_parts, baseline_version is None or (bool(of_baseline) and all(of_baseline))


def stored_scores(run: Run, parts: Parts, slice_keys: Sequence[str]) -> DataFrame:
    """The stored states of the parts as partial states of the windows that they are parts of."""
    # Looked up in a map that the query carries: a join would be one more Spark job.
    members: dict[str, list[str]] = {}
    for number, several in sorted(parts.items()):
        for sequence, part in enumerate(several):
            members.setdefault(_name_of(part), []).append(f"named_struct('number', {number}, 'sequence', {sequence})")
    pairs = ", ".join(f"{literal(name)}, array({', '.join(places)})" for name, places in members.items())
    place = f"inline(element_at(map({pairs}), concat(granularity, ' ', start)))"
    content = ("kind", "granularity", "start", "model_version", "slice_key", "slice_value")
    chosen = of_named_slices(_states_of(run, parts), slice_keys).selectExpr(*content, STORED_STATE)
    states = chosen.mapInArrow(_packed, _PACKED_DDL)
    placed = states.selectExpr("*", place)
    kinds = F.expr("CASE kind " + " ".join(f"WHEN '{name}' THEN {number}" for number, name in enumerate(KIND_NAMES)) + " END")
    return placed.select(
        F.col("number").alias("window"),
        "model_version",
        slice_number(slice_keys).alias("slice_key"),
        "slice_value",
        kinds.alias("column"),
        F.lit(STORED).alias("part"),
        "sequence",
        "state",
        F.expr("CAST(NULL AS BINARY) AS sketch"),
        F.expr("CAST(NULL AS STRING) AS error"),
    )


def _packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows whose stored states are bytes again, as partial states travel."""
    for batch in batches:
        place = batch.schema.get_field_index("state")
        yield with_column(batch, place, pa.field("state", pa.binary()), pa.array(stored_bytes(batch.column(place)), pa.binary()))


def scored_slice_values(run: Run, parts: Parts, slice_keys: Sequence[str]) -> DataFrame:
    """Every slice value (key, value) that the parts have rows of."""
    of_slices = _states_of(run, parts).where(F.col("slice_key").isin(*slice_keys))
    rows = of_slices.where(F.col("kind") == KIND_NAMES[COVERAGE])
    return rows.select(slice_number(slice_keys).alias("key"), F.col("slice_value").alias("value")).distinct()


def _name_of(part: DueWindow) -> str:
    granularity, start = place_of(part)
    return f"{granularity} {start}"


def _states_of(run: Run, parts: Parts) -> DataFrame:
    finer: Collection[DueWindow] = {part for several in parts.values() for part in several}
    stored = run.store.frame("model_states").where(run.store.in_windows(run.monitor_id, finer))
    return stored.where(F.col("log_type") == INPUT).withColumn("start", F.expr("unix_micros(window.start)"))
