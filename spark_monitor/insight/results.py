"""What was read from the tables, and what follows from it without asking again: which window is latest, which slice worst."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spark_monitor.insight.facts import FINAL
from spark_monitor.insight.rows import (
    CheckRow,
    ColumnRow,
    CountRow,
    DriftRow,
    HeatRow,
    IncidentRow,
    MeasureRow,
    ModelRow,
    RunRow,
    UndecidedRow,
    VerdictRow,
)
from spark_monitor.insight.scope import MOST_VERSIONS, WORST_SLICES
from spark_monitor.windowing.windows import Window


@dataclass(frozen=True)
class Results:
    """What was read from the tables, of the versions seen last, in their latest windows and in those asked for besides."""

    counts: Sequence[CountRow]
    verdicts: Sequence[VerdictRow] = ()
    failing: Sequence[CheckRow] = ()
    undecided: Sequence[UndecidedRow] = ()
    incidents: Sequence[IncidentRow] = ()
    open_total: int = 0
    drift: Sequence[DriftRow] = ()
    shifted_slices: Sequence[DriftRow] = ()
    model: Sequence[ModelRow] = ()
    estimated: Sequence[ModelRow] = ()
    worst_slices: Sequence[ModelRow] = ()
    searched_slices: Sequence[ModelRow] = ()
    slices: Sequence[ModelRow] = ()
    runs: Sequence[RunRow] = ()
    measures: Sequence[MeasureRow] = ()
    measured_series: Sequence[MeasureRow] = ()
    heat: Sequence[HeatRow] = ()
    columns: Sequence[ColumnRow] = ()
    distributions: Sequence[ColumnRow] = ()
    baselines: Sequence[ColumnRow] = ()
    left_out: str | None = None


def latest_versions(predicted: Sequence[CountRow]) -> set[str | None]:
    """The versions whose rows were seen last, of those the ones with the most rows; versions without any come behind."""
    seen: dict[str | None, tuple[bool, Window, int]] = {}
    for row in predicted:
        rank = (row.count > 0, row.window, row.count)
        seen[row.version] = max(seen.get(row.version, rank), rank)
    return set(sorted(seen, key=lambda version: seen[version], reverse=True)[:MOST_VERSIONS])


def latest_windows(predicted: Sequence[CountRow]) -> dict[str | None, Window]:
    """The latest window with rows of each of the versions seen last; of a version without any, its latest."""
    latest: dict[str | None, tuple[bool, Window]] = {}
    versions = latest_versions(predicted)
    for row in predicted:
        if row.version in versions:
            rank = (row.count > 0, row.window)
            latest[row.version] = max(latest.get(row.version, rank), rank)
    return {version: window for version, (_, window) in latest.items()}


def empty_since(predicted: Sequence[CountRow]) -> tuple[Window, ...]:
    """The windows after the last one with rows, in which no version made a prediction: a feed that has ended."""
    rows: Counter[Window] = Counter()
    for row in predicted:
        rows[row.window] += row.count
    alive = max((window for window, count in rows.items() if count), default=None)
    return tuple(sorted(window for window in rows if alive is None or window > alive))


def latest_labelled(rows: Iterable[ModelRow], main: str | None) -> list[ModelRow]:
    """Per version the main metric in its latest final window, and in the latest provisional one where that is later."""
    by_status: dict[tuple[str | None, str | None], ModelRow] = {}
    for row in sorted(rows, key=lambda row: row.window):
        if row.metric == main and row.value is not None:
            by_status[row.version, row.label_status] = row
    finals = {version: row.window for (version, maturity), row in by_status.items() if maturity == FINAL}
    kept = [row for row in by_status.values() if row.label_status == FINAL or row.window >= finals.get(row.version, row.window)]
    return sorted(kept, key=lambda row: (row.version or "", row.window))


def first_of_each_window(ranked: Iterable[ModelRow]) -> list[ModelRow]:
    """The first row of every version and window of rows that are in order of rank."""
    first: dict[tuple[str | None, Window], ModelRow] = {}
    for row in ranked:
        first.setdefault((row.version, row.window), row)
    return list(first.values())


def usual_worst(worst: Iterable[ModelRow]) -> dict[str | None, set[tuple[str | None, str | None]]]:
    """Per version the slices that are most often among the worst."""
    times: defaultdict[str | None, Counter[tuple[str | None, str | None]]] = defaultdict(Counter)
    for row in worst:
        times[row.version][row.slice_key, row.slice_value] += 1
    return {version: {named for named, _ in counter.most_common(WORST_SLICES)} for version, counter in times.items()}
