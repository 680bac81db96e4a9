"""What the tables answered, and what follows from it without asking again: which window is the latest, which slice the worst."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spark_monitor.insight.facts import FINAL
from spark_monitor.insight.rows import (
    CheckRow,
    CountRow,
    DriftRow,
    IncidentRow,
    ModelRow,
    RunRow,
    UndecidedRow,
    VerdictRow,
)
from spark_monitor.insight.scope import MOST_VERSIONS, WORST_SLICES
from spark_monitor.windowing.windows import Window


@dataclass(frozen=True)
class Answers:
    """What the tables answered, of the versions seen last, in their latest windows and in those that were asked for besides."""

    counts: Sequence[CountRow]
    verdicts: Sequence[VerdictRow] = ()
    failing: Sequence[CheckRow] = ()
    undecided: Sequence[UndecidedRow] = ()
    incidents: Sequence[IncidentRow] = ()
    open_incidents: Mapping[str | None, int] = field(default_factory=dict)
    drift: Sequence[DriftRow] = ()
    shifted_slices: Sequence[DriftRow] = ()
    model: Sequence[ModelRow] = ()
    worst_slices: Sequence[ModelRow] = ()
    slices: Sequence[ModelRow] = ()
    runs: Sequence[RunRow] = ()
    left_out: str | None = None


def latest_versions(predicted: Sequence[CountRow]) -> set[str | None]:
    """The versions seen last, of those the ones with the most rows."""
    seen: dict[str | None, tuple[Window, int]] = {}
    for row in predicted:
        seen[row.version] = max(seen.get(row.version, (row.window, 0)), (row.window, row.count))
    return set(sorted(seen, key=lambda version: seen[version], reverse=True)[:MOST_VERSIONS])


def latest_windows(predicted: Sequence[CountRow]) -> dict[str | None, Window]:
    """The latest window of each of the versions seen last."""
    latest: dict[str | None, Window] = {}
    versions = latest_versions(predicted)
    for row in predicted:
        if row.version in versions:
            latest[row.version] = max(latest.get(row.version, row.window), row.window)
    return latest


def latest_labelled(rows: Iterable[ModelRow], main: str | None) -> list[ModelRow]:
    """Per version the main metric in its latest final window, and in the latest provisional one where that is later."""
    found: dict[tuple[str | None, str | None], ModelRow] = {}
    for row in sorted(rows, key=lambda row: row.window):
        if row.metric == main and row.value is not None:
            found[row.version, row.label_status] = row
    finals = {version: row.window for (version, maturity), row in found.items() if maturity == FINAL}
    kept = [row for row in found.values() if row.label_status == FINAL or row.window >= finals.get(row.version, row.window)]
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
