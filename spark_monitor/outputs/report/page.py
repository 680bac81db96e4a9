"""The report: one self-contained HTML page of a monitor, or of a fleet, that can be mailed, printed and kept.

Templates escape everything (autoescape); only drawings and words of our own are markup. The page loads nothing, and the one
script that it runs is named by its hash, so a text that slipped through could not run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.people import Role
from spark_monitor.insight.facts import FINAL, Facts, VersionFacts
from spark_monitor.insight.page import further_commands, mlflow_page
from spark_monitor.insight.rows import VERDICTS
from spark_monitor.insight.scope import MOST_HEAT_COLUMNS
from spark_monitor.outputs.report.sections import (
    FAMILY_TITLES,
    Card,
    cards,
    columns_of,
    families,
    measured_charts,
    operated,
    performance,
    side_by_side,
)
from spark_monitor.text.formatting import (
    as_of_text,
    counted,
    day,
    harmless,
    in_words,
    interval,
    number,
    of_versions,
    percent,
    slice_name,
    version_name,
    where,
)
from spark_monitor.text.masking import mask_forms

PACKAGE = "spark_monitor.outputs.report"
ROWS_SHOWN, LONGEST_COMMAND, LONGEST_TEXT, LONGEST_PARAGRAPH = 50, 1_000, 400, 2_000

ORDER = (
    "incidents",
    "versions",
    "performance",
    "columns",
    "slices",
    "fairness",
    "quality",
    "custom",
    "operations",
)
FOR_ROLES: dict[str, tuple[str, ...]] = {
    "data_scientist": ("incidents", "versions", "performance", "columns", "slices", "fairness", "quality", "custom"),
    "engineer": ("incidents", "operations", "quality", "versions"),
    "product": ("incidents", "versions", "performance", "custom", "fairness", "cost"),
    "executive": ("versions", "cost", "performance", "incidents"),
}
"""What each role sees, in order; what it does not need is left out. Without a role everything is shown."""

WITH_ALL = (None, "data_scientist", "engineer")
"""Who is shown what is folded at the end."""

TITLES = {
    "incidents": "Open incidents",
    "versions": "Model versions",
    "performance": "Performance",
    "columns": "Columns over time",
    "slices": "Slices",
    **FAMILY_TITLES,
    "operations": "System, pipelines, cost",
    "folded": "Everything else",
}
"""What the links at the top of a monitor's page call its parts."""

_CODE = re.compile(r"`([^`]+)`")
_RUNBOOK = re.compile(r"https?://[^\s<>\"']+\Z")


def report_html(facts: Facts, config: MonitorConfig, *, file: str = "MONITOR.yaml", role: Role | None = None) -> str:
    """One monitor's page as text."""
    return fleet_html([(facts, config, file)], role=role)


def fleet_html(monitors: Sequence[tuple[Facts, MonitorConfig, str]], *, role: Role | None = None) -> str:
    """The page of several monitors: what is wrong first, then each of them; of one it is that monitor's page."""
    ordered = sorted(monitors, key=lambda one: (_place(one[0].status), one[0].monitor)) if len(monitors) > 1 else monitors
    script = _asset("report.js")
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            title="Monitors" if len(monitors) != 1 else f"{monitors[0][0].monitor}: model {harmless(monitors[0][0].model)}",
            monitors=[_monitor(facts, config, file, role) for facts, config, file in ordered],
            style=Markup(_asset("report.css")),
            script=Markup(script),
            policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_digest(script)}'",
            sections=(*(FOR_ROLES[role] if role is not None else ORDER), *(("folded",) if role in WITH_ALL else ())),
            titles=TITLES,
        )
    )


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, with everything escaped that is not markup of our own."""
    made = Environment(
        loader=PackageLoader(PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        shown=shown,
        prose=prose,
        plain=lambda text: harmless(text or "-"),
        number=number,
        percent=percent,
        day=day,
        in_words=in_words,
        as_of_text=as_of_text,
        badge=badge,
        counted=counted,
        version_name=lambda version: shown(version_name(version)),
        of_versions=lambda versions: shown(named) if (named := of_versions(versions)) else "",
        address=mask_forms,
        is_link=lambda text: bool(text) and _RUNBOOK.match(text) is not None,
    )
    made.globals.update(interval=interval, slice_name=slice_name, where=where, FINAL=FINAL, VERDICTS=VERDICTS, len=len)
    return made


def shown(text: str | None, longest: int = LONGEST_TEXT) -> Markup:
    """A text from data: controls replaced, cut, escaped, and kept to its own reading direction.

    >>> shown("<b>\\u202e")
    Markup('<bdi>&lt;b&gt;�</bdi>')
    """
    escaped = escape(harmless(text or "-", longest))
    return escaped if escaped.isascii() else Markup("<bdi>") + escaped + Markup("</bdi>")


def prose(text: str) -> Markup:
    """A paragraph of a runbook, with what stands between backticks as code.

    >>> prose("Type `spark-monitor status`, not <b>.")
    Markup('Type <code>spark-monitor status</code>, not &lt;b&gt;.')
    """
    return Markup(_CODE.sub(r"<code>\1</code>", str(shown(text, LONGEST_PARAGRAPH))))


def badge(status: str | None) -> Markup:
    """A verdict or severity as a coloured word that never breaks."""
    named = harmless(status or "-", 20)
    return Markup('<span class="badge {}">{}</span>').format(re.sub(r"[^a-z_]", "", named.lower()), named.replace("_", " "))


def _monitor(facts: Facts, config: MonitorConfig, file: str, role: Role | None) -> dict[str, Any]:
    """What the template shows of one monitor."""
    commands = [*further_commands(facts, file), *mlflow_page(config)]
    most_cards = 3 if role == "executive" else ROWS_SHOWN
    shown_cards: list[Card] = cards(facts, most_cards)
    drawn = len({row.column for row in facts.heat})
    return {
        "facts": facts,
        "anchor": _anchor("monitor", facts.monitor),
        "cards": shown_cards,
        "cards_left": facts.open_total - len(shown_cards),
        "anchors": {version.version: _anchor("version", f"{facts.monitor}/{version.version}") for version in facts.versions},
        "performance": performance(facts),
        "side_by_side": side_by_side(facts),
        "columns": columns_of(facts),
        "columns_left": drawn if drawn >= MOST_HEAT_COLUMNS else 0,
        "sections": {section: _anchor("section", f"{facts.monitor}/{section}") for section in TITLES},
        "families": families(facts),
        "operated": operated(facts, config),
        "charts": measured_charts(facts),
        "rows_shown": ROWS_SHOWN,
        "commands": "\n".join(harmless(command, LONGEST_COMMAND) for command in commands),
        "checked": _checked,
    }


def _checked(version: VersionFacts) -> str:
    counts = ", ".join(
        f"{version.verdicts[verdict]:,} {verdict.replace('_', ' ')}" for verdict in VERDICTS if version.verdicts.get(verdict)
    )
    return counts or "nothing was checked"


def _place(status: str) -> int:
    """What is broken first, then what nothing is known of, and what is well last."""
    order = ("FAIL", "ERROR", "NO_DATA", "WARN", "UNCHECKED", "UNDECIDED")
    return order.index(status) if status in order else len(order)


def _anchor(kind: str, name: str) -> str:
    """An id that no text from data can shape."""
    return f"{kind}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    return files(PACKAGE).joinpath(name).read_text(encoding="utf-8").strip()


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
