"""The digest as HTML with inline styles, as mail programs want it, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from spark_monitor.insight.facts import FINAL, Facts, VersionFacts
from spark_monitor.insight.rows import IncidentRow, MeasureRow
from spark_monitor.text.formatting import (
    UTC_NAME,
    counted,
    harmless,
    in_words,
    local,
    number,
    percent,
    span,
    version_name,
    with_interval,
)

MOST_TOLD, LONGEST = 10, 300
COSTS = {
    "cost": "{} spent",
    "cost_per_1000_predictions": "{} for 1,000 predictions",
    "budget_used_percent": "{} of the budget used",
    "budget_forecast_percent": "{} of the budget expected by the end of its period, seen",
}
_MARKDOWN = re.compile(r"([\\`*_\[\]|~<>@!]|(?<=[A-Za-z]):(?=//)|(?<=www)\.|^[#+=-]|(?<=^\d)[.)])", re.IGNORECASE)
"""What Markdown reads as more than text, the colon of bare addresses included."""


@dataclass(frozen=True)
class ModelDigest:
    """What is reported of one monitor."""

    facts: Facts
    opened: tuple[IncidentRow, ...]
    resolved: tuple[IncidentRow, ...]
    still_open: tuple[IncidentRow, ...]
    performance: tuple[str, ...]
    labels: tuple[str, ...]
    costs: tuple[str, ...]


@dataclass(frozen=True)
class Digest:
    """A period of one or more monitors."""

    start: datetime
    end: datetime
    models: tuple[ModelDigest, ...]

    @property
    def subject(self) -> str:
        """The line that a reader sees first."""
        opened = sum(len(model.opened) for model in self.models)
        still = sum(model.facts.open_total for model in self.models)
        named = self.models[0].facts.monitor if len(self.models) == 1 else counted(len(self.models), "monitor")
        return f"{named}, {span(self.start, self.end)}: {counted(opened, 'new incident')}, {still:,} open"


def digest_of(all_facts: Sequence[Facts], start: datetime, end: datetime) -> Digest:
    """What happened in ``[start, end)``: an incident is new where no digest of an earlier period could tell of it.

    Before its first failing window has ended no run knows of it: a month that failed is new in the week that follows it.
    """
    zones = {facts.zone for facts in all_facts}
    zone = zones.pop() if len(zones) == 1 else UTC_NAME
    return Digest(local(start, zone), local(end, zone), tuple(_model(facts, start, end) for facts in all_facts))


def _model(facts: Facts, start: datetime, end: datetime) -> ModelDigest:
    everything = (*facts.open, *facts.resolved)
    opened = tuple(row for row in everything if _is_new(row, start, end))
    new = {row.incident_id for row in opened}
    return ModelDigest(
        facts,
        opened,
        tuple(row for row in facts.resolved if row.resolved is not None and start < row.resolved <= end),
        tuple(row for row in facts.open if row.incident_id not in new),
        tuple(text for version in facts.versions if (text := _performance(version, facts)) is not None),
        tuple(text for version in facts.versions if (text := _expected(version)) is not None),
        tuple(_cost(row) for row in facts.measures if row.family == "cost" and row.metric in COSTS and row.column is None),
    )


def _is_new(row: IncidentRow, start: datetime, end: datetime) -> bool:
    """Whether it is reported for the first time: its first window ended in the period, or the runs after which the digest of the
    period before was made did not know of it yet, and a run before the end of this period's did.

    The latter is what late labels, or `for: 3 of 4`, find of windows that are long over.
    """
    before = row.undetected_until
    if before is not None and row.first_end is not None and row.first_end <= start:
        return start <= before < end and not (row.resolved is not None and row.resolved <= start)
    return start <= row.opened < end if row.first_end is None else start < row.first_end <= end


def _performance(version: VersionFacts, facts: Facts) -> str | None:
    if not version.realised:
        estimated = next((row for row in version.estimated if row.value is not None), None)
        if estimated is None:
            return None
        value = f"{number(estimated.value)}{with_interval(estimated.lower, estimated.upper)}"
        return f"{version_name(version.version)}: {estimated.metric} {value}, estimated, in {estimated.window.text}"
    row = version.realised[0]
    before = next((one for one in reversed(version.main_series) if one.window < row.window and one.value is not None), None)
    change = ""
    if before is not None and before.value is not None and row.value is not None:
        change = f" ({row.value - before.value:+.3g} since {before.window.text})"
    value = f"{number(row.value)}{with_interval(row.lower, row.upper)}"
    return f"{version_name(version.version)}: {row.metric} {value} in {row.window.text}{change}"


def _expected(version: VersionFacts) -> str | None:
    """How many labels a window that is not final still lacks."""
    waiting = [row for row in version.main_series if row.label_status not in (None, FINAL)]
    rows = {row.window: row.count for row in version.counts}
    missing = sum(round(rows.get(row.window, 0) * (1 - (row.label_coverage or 0.0))) for row in waiting)
    if not missing:
        return None
    last = version.realised[0] if version.realised else None
    labelled = f"; {percent(last.label_coverage)} labelled in {last.window.text}" if last is not None else ""
    expected = f"{counted(missing, 'label')} still expected in {counted(len(waiting), 'window')}"
    return f"{version_name(version.version)}: {expected}{labelled}"


def _cost(row: MeasureRow) -> str:
    unit = " %" if row.unit == "percent" else f" {harmless(row.unit, 20)}" if row.unit else ""
    return f"{COSTS[row.metric].format(number(row.value) + unit)} in {row.window.text}"


@lru_cache(maxsize=2)
def environment(*, escaped: bool) -> Environment:
    """The templates: HTML escapes by itself, Markdown by the filter ``md``."""
    made = Environment(
        loader=PackageLoader("spark_monitor.outputs.digest", "templates"),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(shown=lambda text: harmless(text or "-", LONGEST), md=markdown, in_words=in_words, counted=counted)
    made.globals.update(MOST=MOST_TOLD, len=len)
    return made


def markdown(text: str | None) -> str:
    """A text from data that Markdown shows as it is.

    >>> print(markdown("[x](javascript:1) <b> https://a.b"))
    \\[x\\](javascript:1) &lt;b&gt; https\\://a.b
    """
    shown = harmless(" ".join((text or "-").split()), LONGEST)
    escaped = _MARKDOWN.sub(r"\\\1", shown.replace("&", "&amp;"))
    return escaped.replace(r"\<", "&lt;").replace(r"\>", "&gt;").replace(r"\@", "&#64;")


def digest_html(digest: Digest) -> str:
    """The digest as a mail: inline styles, no outside parts, no scripts."""
    return environment(escaped=True).get_template("digest.html.j2").render(digest=digest)


def digest_markdown(digest: Digest) -> str:
    """The digest as Markdown."""
    text = environment(escaped=False).get_template("digest.md.j2").render(digest=digest)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
