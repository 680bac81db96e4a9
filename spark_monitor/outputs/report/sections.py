"""The sections of a page as values for the template: cards of incidents, performance, columns, and the table ``metrics``."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts, VersionFacts
from spark_monitor.insight.headline_metrics import place_of
from spark_monitor.insight.rows import ColumnRow, HeatRow, IncidentRow, Judged, MeasureRow, ModelRow
from spark_monitor.insight.runbook import Step, runbook_of
from spark_monitor.insight.scope import MOST_HEAT_VERSIONS
from spark_monitor.insight.trends import trend_sentence
from spark_monitor.outputs.report.charts import Mark, heat_strip, line_chart, verdict_strip
from spark_monitor.outputs.report.histogram import histogram
from spark_monitor.text.formatting import day, harmless, number, percent, subject, with_interval
from spark_monitor.windowing.windows import Window

MOST_CHARTS, MOST_ITEMS, MOST_POINTS_LISTED = 24, 8, 6
LEAST_POINTS_DRAWN = 3
FAMILY_TITLES = {
    "fairness": "Fairness",
    "quality": "Data quality",
    "custom": "Custom metrics",
    "system": "Serving system",
    "pipeline": "Pipelines",
    "cost": "Cost",
}
OPERATED = {"system": "operations", "pipeline": "pipelines", "cost": "costs"}
"""Families that one part of the page holds together, and the section of the monitor's file that each comes from."""


@dataclass(frozen=True)
class Card:
    """An incident as a card: what is shown, and its picture."""

    incident: IncidentRow
    picture: Markup
    strip: Markup
    points: tuple[Judged, ...]
    about: str
    trend: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Performance:
    """How well a version does: its main metric with labels and estimated, how complete labels are, how many rows."""

    version: VersionFacts
    chart: Markup
    coverage: Markup
    rows: Markup
    strip: Markup
    has_estimate: bool


@dataclass(frozen=True)
class OperatedPart:
    """One of the families that are shown together: the file's section, whether the file has it, whether there are numbers."""

    family: str
    section: str
    configured: bool
    measured: bool


@dataclass(frozen=True)
class ColumnView:
    """A row of the heat map, and what opens from it."""

    version: str | None
    column: str
    metric: str
    strip: Markup
    worst: float
    latest: str
    verdict: str | None
    broke: bool
    began: datetime
    ended: datetime
    distribution: Markup
    distance: Markup
    missing: Markup
    items: tuple[tuple[str, str, float], ...]
    recent: tuple[tuple[str, str, str], ...]


def cards(facts: Facts, most: int) -> list[Card]:
    """Open incidents, worst first, each with the verdicts of its first check as a picture."""
    return [_card(incident) for incident in facts.open[:most]]


def _card(incident: IncidentRow) -> Card:
    metric = incident.metric or "value"
    about = subject(metric, incident.column)
    limits = {limit for point in incident.series if (limit := point.limit) is not None}
    marks = [Mark(point.window, point.value, point.lower, point.upper) for point in incident.series]
    picture = line_chart(marks, about, limits=sorted(limits)[:2])
    strip = verdict_strip([(point.window, point.verdict or "NO_DATA") for point in incident.series])
    points, steps = incident.series[-MOST_POINTS_LISTED:], tuple(runbook_of(incident))
    return Card(incident, Markup(picture), Markup(strip), points, about, trend_sentence(incident.series), steps)


def performance(facts: Facts) -> list[Performance]:
    """A picture of each version."""
    return [_performance(version, facts) for version in facts.versions]


def _performance(version: VersionFacts, facts: Facts) -> Performance:
    windows = [row.window for row in version.counts]
    main, estimated = _marks(version.main_series), _marks(version.estimated_series)
    metric = facts.main_metric or (version.estimated_series[0].metric if version.estimated_series else "metric")
    has_values = any(mark.value is not None for mark in main)
    chart = line_chart(main if has_values else estimated, metric, windows, beside=estimated if has_values else ())
    coverage = [Mark(row.window, row.label_coverage) for row in version.main_series]
    return Performance(
        version,
        Markup(chart),
        Markup(line_chart(coverage, "label coverage", windows)),
        Markup(line_chart([Mark(row.window, float(row.count)) for row in version.counts], "predictions")),
        Markup(verdict_strip(version.verdict_series)),
        bool(estimated),
    )


def _marks(rows: Sequence[ModelRow]) -> list[Mark]:
    return [Mark(row.window, row.value, row.lower, row.upper) for row in rows]


def side_by_side(facts: Facts) -> list[tuple[str, list[str]]]:
    """Metrics of the versions beside each other, each in its own latest window with labels, which the head names."""
    if len(facts.versions) < 2 or not any(version.realised for version in facts.versions):
        return []
    by_version = [{row.metric: row for row in (*version.realised[:1], *version.beside)} for version in facts.versions]
    names = list(dict.fromkeys(name for rows in by_version for name in rows))
    return [(name, [_value(rows.get(name)) for rows in by_version]) for name in names]


def _value(row: ModelRow | None) -> str:
    return "-" if row is None else f"{number(row.value)}{with_interval(row.lower, row.upper)}"


def columns_of(facts: Facts) -> list[ColumnView]:
    """The heat map's rows of the versions seen last, those that break a rule and have moved farthest first."""
    chosen = [version.version for version in facts.versions][:MOST_HEAT_VERSIONS]
    rows: defaultdict[tuple[str | None, str], list[HeatRow]] = defaultdict(list)
    for row in facts.heat:
        if row.version in chosen:
            rows[row.version, row.column].append(row)
    views = [_column(facts, version, column, column_rows) for (version, column), column_rows in rows.items()]
    return sorted(views, key=lambda view: (chosen.index(view.version), not view.broke, -view.worst, view.column))


def _column(facts: Facts, version: str | None, column: str, rows: Sequence[HeatRow]) -> ColumnView:
    ordered = sorted(rows, key=lambda row: row.window)
    cells = [(row.window, row.distance, row.verdict, _cell_title(row)) for row in ordered]
    profile = [row for row in facts.columns if row.version == version and row.column == column]
    missing = [Mark(row.window, row.percent_null) for row in profile if row.window is not None]
    windows, name = [row.window for row in ordered], harmless(column)
    now = next((row for row in facts.distributions if row.version == version and row.column == column), None)
    before = next((row for row in facts.baselines if row.column == column), None)
    shape = histogram(now.quantiles, before.quantiles if before else (), name) if now is not None else ""
    distances = [row.distance for row in ordered if row.distance is not None and math.isfinite(row.distance)]
    drawn = line_chart([Mark(row.window, row.distance, row.lower, row.upper) for row in ordered], ordered[-1].metric, windows)
    has_missing = any(mark.value for mark in missing)
    return ColumnView(
        version,
        column,
        ordered[-1].metric,
        Markup(heat_strip(cells)),
        max(distances, default=0.0),
        number(ordered[-1].distance),
        ordered[-1].verdict,
        any(row.verdict == "FAIL" for row in ordered),
        ordered[0].window.start,
        ordered[-1].window.end,
        Markup(shape),
        Markup(drawn),
        Markup(line_chart(missing, "percent missing", windows)) if has_missing else Markup(""),
        _items(now) if now is not None and not now.quantiles else (),
        tuple((row.window.text, _with_bounds(row), row.verdict or "-") for row in ordered[-MOST_POINTS_LISTED:]),
    )


def _cell_title(row: HeatRow) -> str:
    verdict = f", {row.verdict.replace('_', ' ')}" if row.verdict else ""
    return f"{day(row.window.start)}: {number(row.distance)}{verdict}"


def _with_bounds(row: HeatRow) -> str:
    return f"{number(row.distance)}{with_interval(row.lower, row.upper)}"


def _items(row: ColumnRow) -> tuple[tuple[str, str, float], ...]:
    """The most frequent values: each with its fraction in words and in percent of the widest bar."""
    total = max(row.count or 0, sum(count for _, count in row.items), 1)
    top = sorted(row.items, key=lambda item: -item[1])[:MOST_ITEMS]
    most = max((count for _, count in top), default=1) or 1
    return tuple((value, percent(count / total), round(100 * count / most, 1)) for value, count in top)


def families(facts: Facts) -> dict[str, list[MeasureRow]]:
    """The latest numbers of the table ``metrics``, by family."""
    by_family: dict[str, list[MeasureRow]] = {family: [] for family in FAMILY_TITLES}
    for row in facts.measures:
        by_family.setdefault(row.family, []).append(row)
    return by_family


def operated(facts: Facts, config: MonitorConfig) -> list[OperatedPart]:
    """Serving system, pipelines and cost; none where the monitor has none of them."""
    measured = {row.family for row in (*facts.measures, *facts.measured_series)}
    parts = [
        OperatedPart(family, section, getattr(config, section) is not None, family in measured)
        for family, section in OPERATED.items()
    ]
    return parts if any(part.configured or part.measured for part in parts) else []


def measured_charts(facts: Facts) -> dict[str, list[tuple[str, Markup]]]:
    """Series of the table ``metrics`` that are about whole datasets, by family.

    What is about everything comes first, and of that what matters most. A series that never changes, or has hardly begun, says
    no more as a picture than as a number, and one of a version or part that is drawn already says it twice: all these are left
    to the table below the pictures.
    """
    series: defaultdict[tuple[str, str, str | None], list[MeasureRow]] = defaultdict(list)
    for row in facts.measured_series:
        if row.value is not None:
            about = subject(row.metric, row.column) + (f" {harmless(row.name)}" if row.name else "")
            series[row.family, about, row.version].append(row)
    charts: defaultdict[str, list[tuple[str, Markup]]] = defaultdict(list)
    drawn: defaultdict[tuple[str, str], list[dict[Window, float | None]]] = defaultdict(list)
    for (family, about, version), rows in sorted(series.items(), key=_order_of_charts):
        values = {row.window: row.value for row in rows}
        alike = drawn[family, rows[-1].metric]
        if len(charts[family]) < MOST_CHARTS and _worth_drawing(values, alike):
            alike.append(values)
            marks = [Mark(row.window, row.value, row.lower, row.upper) for row in rows]
            unit = f" ({harmless(rows[-1].unit)})" if rows[-1].unit else ""
            of_version = f", version {harmless(version)}" if version else ""
            charts[family].append((about + of_version + unit, Markup(line_chart(marks, about))))
    return dict(charts)


def _order_of_charts(item: tuple[tuple[str, str, str | None], Sequence[MeasureRow]]) -> tuple[str, int, int, str, str]:
    (family, about, version), rows = item
    parts = (version is not None) + (rows[-1].column is not None)
    return family, parts, place_of(rows[-1].metric), about, version or ""


def _worth_drawing(values: Mapping[Window, float | None], drawn: Sequence[Mapping[Window, float | None]]) -> bool:
    repeated = any(all(whole.get(window, math.nan) == value for window, value in values.items()) for whole in drawn)
    return len(values) >= LEAST_POINTS_DRAWN and len(set(values.values())) > 1 and not repeated
