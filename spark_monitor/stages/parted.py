"""Which columns parted from others when a model fell, from the stored shifts of correlations: one query, none without a fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pyspark.sql import functions as F

from spark_monitor.diagnosis.episodes import Windows
from spark_monitor.diagnosis.falls import Cause, Fall
from spark_monitor.diagnosis.parted import Pair, broken_at, parted_causes
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.stages.context import Run
from spark_monitor.stages.falls import before_of
from spark_monitor.text.quoting import uncrossed

SHIFT: Final = "correlation_shift"
MOST_PAIRS: Final = 20_000
WINDOWS_BEFORE: Final = 8
"""A pair that parted in any of so many windows before the fall parts by itself."""


def causes_of_parting(
    run: Run, problems: Sequence[Problem], falls: Mapping[int, Fall], windows: Windows
) -> dict[int, list[Cause]]:
    """The columns that parted from others in the window in which a fall of the model began, by the problem's ``id``."""
    fallen = [one for one in problems if one.main.first.track == MODEL and id(one) in falls and falls[id(one)].is_worse]
    asked = {id(one): (one.opened, before_of(one.opened, one.granularity, windows, (), most=WINDOWS_BEFORE)) for one in fallen}
    if not asked or run.config.max_correlated_columns == 0:
        return {}
    pairs = _pairs(run, sorted({start for opened, before in asked.values() for start in (opened, *before)}))
    causes = {}
    for one in fallen:
        opened, before = asked[id(one)]
        versions = sorted({version for group in one.groups for version in group.versions_failing}, key=lambda name: name or "")
        now = [pair for version in versions for pair in pairs.get((one.granularity, version, opened), [])]
        earlier = [pair for start in before for version in versions for pair in pairs.get((one.granularity, version, start), [])]
        broken = broken_at(problems, opened)
        causes[id(one)] = parted_causes({pair.columns: pair for pair in now}.values(), earlier, broken=broken)
    return causes


def _pairs(run: Run, starts: Sequence[int]) -> dict[tuple[str, str | None, int], list[Pair]]:
    """The pairs that moved most in windows, all rows together, by granularity, version and start."""
    stored = run.store.frame("metrics").where((F.col("monitor_id") == run.monitor_id) & (F.col("metric") == SHIFT))
    edges = [F.timestamp_micros(F.lit(start)) for start in starts]
    whole = stored.where(F.col("window.start").isin(edges) & F.col("slice_key").isNull() & (F.col("dataset") == "predictions"))
    numbers = [F.col("details")[name].cast("double").alias(name) for name in ("correlation", "baseline_correlation")]
    surely = ((F.col("lower") > 0) | (F.col("upper") < 0)).alias("surely")
    start = F.unix_micros("window.start").alias("start")
    rows = whole.select("granularity", "model_version", start, "column_name", *numbers, surely)
    # Of more pairs than fit those that moved most are kept, the same ones each time.
    moved = F.abs(F.col("correlation") - F.col("baseline_correlation")).desc_nulls_last()
    pairs: dict[tuple[str, str | None, int], list[Pair]] = {}
    for row in rows.orderBy(moved, "start", "model_version", "granularity", "column_name").limit(MOST_PAIRS).collect():
        columns = [name for name in uncrossed(row["column_name"] or "") if name is not None]
        now, before = row["correlation"], row["baseline_correlation"]
        if len(columns) == 2 and now is not None and before is not None:
            pair = Pair((columns[0], columns[1]), now, before, bool(row["surely"]))
            pairs.setdefault((row["granularity"], row["model_version"], row["start"]), []).append(pair)
    return pairs
