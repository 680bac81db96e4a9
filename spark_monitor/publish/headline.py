"""The numbers of some windows that are worth a chart: headline metrics, the columns that moved most, the worst slices.

A chart per column and slice would be thousands; the tables hold those. What is chosen here is bounded by the constants of
scope.py and headline_metrics.py, whatever the monitor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from spark_monitor.config import MonitorConfig
from spark_monitor.publish.headline_metrics import LABEL_COVERAGE, LINKED, SHOWN, higher_is_better, main_metric
from spark_monitor.publish.judged import verdicts
from spark_monitor.publish.measured import counts, drift_movers, greatest_ks, model_series, slice_series, worst_slices
from spark_monitor.publish.points import Reading
from spark_monitor.publish.rows import VERDICTS, CountRow, DriftRow, ModelRow, VerdictRow
from spark_monitor.publish.scope import MOST_VERSIONS, MOST_WINDOWS, WORST_SLICES, CommittedTables, Scope
from spark_monitor.windows import Window


@dataclass(frozen=True)
class Headline:
    """What there is to publish, and in a sentence what was left out."""

    readings: tuple[Reading, ...]
    left_out: str | None = None


def headline(store: CommittedTables, config: MonitorConfig, windows: Iterable[Window]) -> Headline:
    """The readings of windows of the monitor's own granularity; coarser windows would share the steps of its charts."""
    wanted = sorted(set(windows))
    recent = wanted[-MOST_WINDOWS:]
    scope = Scope(config.monitor, config.windows.granularity.label, tuple(window.start for window in recent))
    predicted = counts(store.committed("profile_metrics"), scope)
    versions = latest_versions(predicted)
    readings = [
        *count_readings(predicted),
        *_model_readings(store, config, scope),
        *_drift_readings(store, scope),
        *verdict_readings(verdicts(store.committed("checks"), scope)),
    ]
    kept = tuple(reading for reading in readings if reading.version in versions)
    return Headline(kept, _left_out(len(wanted), len({row.version for row in predicted})))


def headline_keys(config: MonitorConfig) -> frozenset[str]:
    """The keys of the dozen series that are also linked to the logged model."""
    main, shown = main_metric(config), SHOWN[config.model.task] if config.labels is not None else ()
    names = ["data/count", "drift/ks_max", "drift/columns_drifting", "checks/fail"]
    names += [f"model/{metric}" for metric in (*shown[:LINKED], *([LABEL_COVERAGE] if shown else []))]
    names += [] if main is None else [f"model/{main}", f"model/{main}_lower", f"model/{main}_upper"]
    return frozenset(names)


def latest_versions(predicted: Sequence[CountRow]) -> set[str | None]:
    """The versions seen last, of those the ones with the most rows."""
    seen: dict[str | None, tuple[Window, int]] = {}
    for row in predicted:
        seen[row.version] = max(seen.get(row.version, (row.window, 0)), (row.window, row.count))
    return set(sorted(seen, key=lambda version: seen[version], reverse=True)[:MOST_VERSIONS])


def count_readings(rows: Iterable[CountRow]) -> Iterator[Reading]:
    """How many predictions there were."""
    for row in rows:
        yield Reading(row.version, row.window, "data", "count", float(row.count))


def model_readings(rows: Sequence[ModelRow], shown: Sequence[str], main: str | None) -> Iterator[Reading]:
    """Values of the shown metrics, the main one with its interval, and label coverage once per window."""
    coverage: dict[tuple[str | None, Window], float | None] = {}
    for row in rows:
        covered = row.value if row.metric == LABEL_COVERAGE else row.label_coverage
        coverage[row.version, row.window] = covered if covered is not None else coverage.get((row.version, row.window))
        if row.metric in shown:
            yield Reading(row.version, row.window, "model", row.metric, row.value)
        if row.metric == main and row.value is not None:
            yield Reading(row.version, row.window, "model", f"{main}_lower", row.lower)
            yield Reading(row.version, row.window, "model", f"{main}_upper", row.upper)
    for (version, window), covered in coverage.items():
        yield Reading(version, window, "model", LABEL_COVERAGE, covered)


def drift_readings(greatest: Iterable[DriftRow], movers: Iterable[DriftRow]) -> Iterator[Reading]:
    """The greatest distance over all columns, and the distances of the columns that moved most."""
    for row in greatest:
        yield Reading(row.version, row.window, "drift", "ks_max", row.ks)
    for row in movers:
        yield Reading(row.version, row.window, "drift", "ks", row.ks, column=row.column)


def verdict_readings(rows: Sequence[VerdictRow]) -> Iterator[Reading]:
    """How many checks came to each verdict, zeros included, and how many columns drift where a rule looks at that."""
    judged: defaultdict[tuple[str | None, Window], list[VerdictRow]] = defaultdict(list)
    for row in rows:
        judged[row.version, row.window].append(row)
    for (version, window), found in judged.items():
        by_verdict = {row.verdict: row.checks for row in found}
        for verdict in VERDICTS:
            yield Reading(version, window, "checks", verdict.lower(), float(by_verdict.get(verdict, 0)))
        if any(row.drift_checks for row in found):
            drifting = float(sum(row.drifting_columns for row in found))
            yield Reading(version, window, "drift", "columns_drifting", drifting)


def slice_readings(worst: Sequence[ModelRow], series: Iterable[ModelRow]) -> Iterator[Reading]:
    """The worst slice's value in every window, and whole series of the slices that were worst most often."""
    for row in first_of_each_window(worst):
        yield Reading(row.version, row.window, "model", f"{row.metric}_worst_slice", row.value)
    chosen = usual_worst(worst)
    for row in series:
        if (row.slice_key, row.slice_value) in chosen.get(row.version, ()):
            yield Reading(
                row.version, row.window, "model", row.metric, row.value, slice_key=row.slice_key, slice_value=row.slice_value
            )


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


def _model_readings(store: CommittedTables, config: MonitorConfig, scope: Scope) -> Iterator[Reading]:
    shown, main, model = SHOWN[config.model.task], main_metric(config), store.committed("model_metrics")
    if config.labels is None:
        return
    yield from model_readings(model_series(model, scope, (*shown, LABEL_COVERAGE)), shown, main)
    if main is not None and config.slices:
        worst = worst_slices(model, scope, main, higher_is_better=higher_is_better(main))
        named = {named for chosen in usual_worst(worst).values() for named in chosen}
        series = slice_series(model, scope, main, [(key, value) for key, value in named if key is not None])
        yield from slice_readings(worst, series)


def _drift_readings(store: CommittedTables, scope: Scope) -> Iterator[Reading]:
    drift = store.committed("drift_metrics")
    yield from drift_readings(greatest_ks(drift, scope), drift_movers(drift, scope))


def _left_out(windows: int, versions: int) -> str | None:
    parts = []
    if windows > MOST_WINDOWS:
        parts.append(f"{windows - MOST_WINDOWS} older windows")
    if versions > MOST_VERSIONS:
        parts.append(f"{versions - MOST_VERSIONS} other model versions")
    return f"{' and '.join(parts)} are in the tables alone" if parts else None
