"""The numbers that are worth a chart: headline metrics, the columns that moved most, the worst slices. No Spark.

A chart per column and slice would be thousands; the tables hold those. What is chosen is bounded by the constants of scope.py and
headline_metrics.py, whatever the monitor.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spark_monitor.catalogue.metric import GROUPS, Group
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.charts import Series, charted, series_of
from spark_monitor.insight.headline_metrics import LABEL_COVERAGE, LINKED, main_metric, place_of, shown_metrics
from spark_monitor.insight.reading import Reading
from spark_monitor.insight.results import Results, first_of_each_window, usual_worst
from spark_monitor.insight.rows import VERDICTS, CountRow, DriftRow, IncidentRow, MeasureRow, ModelRow, VerdictRow
from spark_monitor.windowing.windows import Window

CHOSEN_ELSEWHERE: Final = frozenset({"profile", "drift", "correlation", "model", "fairness"})
"""Families whose charts are chosen by column or by slice, or are of broken rules alone."""

FAMILIES: Final[Mapping[str, Group]] = {family: group for family, group in GROUPS.items() if family not in CHOSEN_ELSEWHERE}
"""Families of which a few metrics of whole tables have charts, and the group their charts stand in."""

MOST_OF_FAMILY, MOST_BROKEN = 6, 5
OWN_STEPS: Final = "spark_monitor."
"""What the steps of the monitor's own runs begin with."""


@dataclass(frozen=True)
class Headline:
    """What there is to publish, and in a sentence what was left out."""

    readings: tuple[Reading, ...]
    left_out: str | None = None


def headline(results: Results, config: MonitorConfig) -> Headline:
    """The readings that results hold: whole series of what is worth a chart, so that a chart has no gaps."""
    shown, main = shown_metrics(config.model.task), main_metric(config)
    readings = [
        *count_readings(results.counts),
        *model_readings(results.model, shown, main),
        *slice_readings(results.worst_slices, results.slices),
        *drift_readings(results.drift),
        *verdict_readings(results.verdicts),
        *estimated_readings(results.estimated, main),
    ]
    kept = {row.version for row in results.counts}
    readings += measured_readings(results.measured_series, results.counts, ruled=[rule.metric for rule in config.rules])
    broken = list(incident_readings(results.incidents))
    there = {(one.version, one.window, series_of(one)) for one in readings}
    readings += [one for one in broken if (one.version, one.window, series_of(one)) not in there]
    named, ruled = headline_keys(config), {rule.metric for rule in config.rules}
    of_incidents = set(map(series_of, broken))

    def stays(series: Series) -> bool:
        of_all_rows = series[2:] == (None, None, None)
        return series in of_incidents or (of_all_rows and (f"{series[0]}/{series[1]}" in named or series[1] in ruled))

    shown_readings, others = charted([reading for reading in readings if reading.version in kept], stays)
    remainder = f"{others} further series {'is' if others == 1 else 'are'} in the tables alone" if others else None
    return Headline(shown_readings, "; ".join(filter(None, (results.left_out, remainder))) or None)


def headline_keys(config: MonitorConfig) -> frozenset[str]:
    """The keys of the dozen series that are also linked to the logged model."""
    main, shown = main_metric(config), shown_metrics(config.model.task) if config.labels is not None else ()
    names = ["quality/count", "drift/ks_max", "drift/columns_drifting", "quality/checks_fail"]
    names += [f"performance/{metric}" for metric in (*shown[:LINKED], *([LABEL_COVERAGE] if shown else []))]
    names += [] if main is None else [f"performance/{main}", f"performance/{main}_lower", f"performance/{main}_upper"]
    return frozenset(names)


def count_readings(rows: Iterable[CountRow]) -> Iterator[Reading]:
    """How many predictions there were."""
    for row in rows:
        yield Reading(row.version, row.window, "quality", "count", float(row.count))


def model_readings(rows: Sequence[ModelRow], shown: Sequence[str], main: str | None) -> Iterator[Reading]:
    """Values of the shown metrics, the main one with its interval, and label coverage once per window."""
    coverage: dict[tuple[str | None, Window], float | None] = {}
    for row in rows:
        covered = row.value if row.metric == LABEL_COVERAGE else row.label_coverage
        coverage[row.version, row.window] = covered if covered is not None else coverage.get((row.version, row.window))
        if row.metric in shown:
            yield Reading(row.version, row.window, "performance", row.metric, row.value)
        if row.metric == main and row.value is not None:
            yield Reading(row.version, row.window, "performance", f"{main}_lower", row.lower)
            yield Reading(row.version, row.window, "performance", f"{main}_upper", row.upper)
    for (version, window), covered in coverage.items():
        yield Reading(version, window, "performance", LABEL_COVERAGE, covered)


def drift_readings(rows: Sequence[DriftRow]) -> Iterator[Reading]:
    """The greatest distance over all columns, and the distances of the columns that moved most."""
    for (version, window), greatest in {(row.version, row.window): row.greatest for row in rows}.items():
        yield Reading(version, window, "drift", "ks_max", greatest)
    for row in rows:
        yield Reading(row.version, row.window, "drift", "ks", row.ks, column=row.column)


def verdict_readings(rows: Sequence[VerdictRow]) -> Iterator[Reading]:
    """How many checks came to each verdict, zeros included, and how many columns drift where a rule looks at that."""
    judged: defaultdict[tuple[str | None, Window], list[VerdictRow]] = defaultdict(list)
    for row in rows:
        judged[row.version, row.window].append(row)
    for (version, window), window_verdicts in judged.items():
        by_verdict = {row.verdict: row.checks for row in window_verdicts}
        for verdict in VERDICTS:
            yield Reading(version, window, "quality", f"checks_{verdict.lower()}", float(by_verdict.get(verdict, 0)))
        if any(row.drift_checks for row in window_verdicts):
            drifting = float(sum(row.drifting_columns for row in window_verdicts))
            yield Reading(version, window, "drift", "columns_drifting", drifting)


def estimated_readings(rows: Iterable[ModelRow], main: str | None) -> Iterator[Reading]:
    """The main metric as it was estimated before labels came."""
    for row in rows:
        if row.metric == main and row.value is not None:
            yield Reading(row.version, row.window, "performance", f"{main}_estimated", row.value)


def incident_readings(rows: Iterable[IncidentRow]) -> Iterator[Reading]:
    """What broke a rule, charted with the limit that it broke: the first check of the worst open incidents over all rows."""
    shown = [row for row in rows if row.is_open and row.series and row.metric and row.slice_key is None]
    for row in shown[:MOST_BROKEN]:
        metric = catalogue().metrics.get(row.metric or "")
        family = metric.group if metric is not None else GROUPS["custom"]
        for point in row.series:
            yield Reading(point.version, point.window, family, row.metric or "", point.value, column=row.column)
            yield Reading(point.version, point.window, family, f"{row.metric}_limit", point.limit, column=row.column)


def measured_readings(rows: Sequence[MeasureRow], counts: Iterable[CountRow], *, ruled: Sequence[str] = ()) -> list[Reading]:
    """System, pipelines, cost and the quality of whole tables, in windows that the version has predictions in.

    Of each family a few: what rules name (``ruled``) first, then what changes, then what the catalogue puts at the head; of
    pipelines each step's and table's, this monitor's own stages last. A number that belongs to no version is shown in the run of
    every version that is alive in its window, or, of a serving log with shorter windows of its own, in the window that holds it.
    """
    alive = _alive(counts)
    whole_rows = [row for row in rows if row.name is None and row.family in FAMILIES]
    whole = [row for row in whole_rows if row.column is None or row.family == "pipeline"]
    values: defaultdict[tuple[str, str, str], set[float | None]] = defaultdict(set)
    for row in whole:
        values[_series(row)].add(row.value)

    def rank(key: tuple[str, str, str]) -> tuple[Any, ...]:
        return key[2].startswith(OWN_STEPS), key[1] not in ruled, len(values[key]) == 1, place_of(key[1]), key

    order = sorted(values, key=rank)
    chosen = {key for family in FAMILIES for key in [one for one in order if one[0] == family][:MOST_OF_FAMILY]}
    return [
        Reading(version, row.window, FAMILIES[row.family], row.metric, row.value, column=row.column)
        for row in whole
        if _series(row) in chosen
        for version in ([row.version] if row.version is not None else alive(row.window))
    ]


def _alive(counts: Iterable[CountRow]) -> Callable[[Window], Sequence[str | None]]:
    """Which versions have predictions in a window, or in the one that it is a part of."""
    versions: defaultdict[Window, list[str | None]] = defaultdict(list)
    for one in counts:
        if one.count:
            versions[one.window].append(one.version)
    windows = sorted(versions)
    starts = [window.start for window in windows]

    def at(window: Window) -> Sequence[str | None]:
        place = bisect_right(starts, window.start) - 1
        holder = windows[place] if place >= 0 and window.end <= windows[place].end else window
        return versions.get(window) or versions.get(holder, [])

    return at


def _series(row: MeasureRow) -> tuple[str, str, str]:
    return row.family, row.metric, row.column or ""


def slice_readings(worst: Sequence[ModelRow], series: Iterable[ModelRow]) -> Iterator[Reading]:
    """The worst slice's value in every window, and whole series of the slices that were worst most often."""
    for row in first_of_each_window(worst):
        yield Reading(row.version, row.window, "performance", f"{row.metric}_worst_slice", row.value)
    chosen = usual_worst(worst)
    for row in series:
        if (row.slice_key, row.slice_value) in chosen.get(row.version, ()):
            yield Reading(
                row.version,
                row.window,
                "performance",
                row.metric,
                row.value,
                slice_key=row.slice_key,
                slice_value=row.slice_value,
            )
