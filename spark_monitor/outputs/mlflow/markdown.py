"""The Markdown block that a model version's description carries: written between markers, the user's own text kept around it."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

from spark_monitor.insight.facts import Facts, VersionFacts
from spark_monitor.insight.rows import VERDICTS
from spark_monitor.text.formatting import counted, harmless, in_words, number, percent, where, with_interval
from spark_monitor.text.masking import mask_forms

BEGIN, END = "<!-- spark_monitor:begin -->", "<!-- spark_monitor:end -->"
LONGEST_DESCRIPTION = 5_000
"""What MLflow's database holds of a description; longer ones are refused by some databases and cut by none."""

ROWS_SHOWN = 5
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+.!|~=>:])")
"""What Markdown reads as more than text, colons and dots of bare addresses included; all of it can be escaped by a backslash."""

_ADDRESS_CHARACTERS = ":/?#&=+%@,;~-._"


def block(version: VersionFacts, facts: Facts) -> str:
    """What a reader of the model's page wants to know of one version, without markers."""
    lines = [
        f"**Monitoring: {version.status}** in {version.window.text} ({counted(version.count, 'prediction')}), "
        f"monitor `{facts.monitor}`",
        "",
    ]
    counts = ", ".join(
        f"{version.verdicts[verdict]:,} {_shown(verdict)}" for verdict in VERDICTS if version.verdicts.get(verdict)
    )
    lines += [f"Checks: {counts}. Open incidents: {version.open_incidents}.", ""] if counts else []
    lines += _realised(version)
    lines += _drifted(version)
    lines += _open(version, facts)
    return "\n".join(lines).rstrip()


def with_block(description: str | None, content: str) -> str:
    """A description with the block in it: replaced where its markers are, appended below the user's text otherwise.

    Where both together would not fit, the block is cut, never the text; a text that leaves no room is kept as it is.

    >>> print(with_block("My model.", "all well"))
    My model.
    <BLANKLINE>
    <!-- spark_monitor:begin -->
    all well
    <!-- spark_monitor:end -->
    """
    before, after = _around(description or "")
    room = LONGEST_DESCRIPTION - len(before) - len(after) - len(BEGIN) - len(END) - 4
    if room < len(content):
        content = _cut(content, room)
    if not content:
        return description or ""
    return "\n\n".join(part for part in (before, f"{BEGIN}\n{content}\n{END}", after) if part)


def escaped(text: str) -> str:
    """A text from data that Markdown and HTML show as it is.

    >>> escaped("a|b <script> *x*")
    'a\\\\|b &lt;script&gt; \\\\*x\\\\*'
    """
    # Each & of an entity is made here, so the semicolons and letters that follow it are left alone.
    return html.escape(_PUNCTUATION.sub(r"\\\1", harmless(text)), quote=False).replace(r"\&gt;", "&gt;")


def _realised(version: VersionFacts) -> list[str]:
    """Lists, here and below: MLflow's page shows tables without any room between their columns."""
    rows = [
        f"- `{row.metric}` **{number(row.value)}**{with_interval(row.lower, row.upper)} in {row.window.text}, "
        f"{percent(row.label_coverage)} labelled, {_shown(row.label_status)}"
        for row in version.realised
    ]
    return ["With labels, and the 95 % interval:", "", *rows, ""] if rows else []


def _drifted(version: VersionFacts) -> list[str]:
    rows = []
    for check in version.drifted[:ROWS_SHOWN]:
        since = f" since {in_words(check.since)}" if check.since is not None else ""
        place = escaped(where(check.slice_key, check.slice_value, check.also_slices))
        numbers = f"`{check.metric}` **{number(check.value)}**{with_interval(check.lower, check.upper)}"
        rows.append(f"- {escaped(check.column or '-')}, {place}: {numbers}, {_shown(check.verdict)}{since}")
    return ["Drifted columns:", "", *rows, ""] if rows else []


def _open(version: VersionFacts, facts: Facts) -> list[str]:
    rows = []
    for row in [row for row in facts.open if version.version in row.versions or not row.versions][:ROWS_SHOWN]:
        owner = escaped(row.owner or "nobody named")
        step = f", next step {_link(row.runbook)}" if row.runbook else ""
        rows.append(f"- {row.severity}: {escaped(row.title)}, since {in_words(row.opened)}; owner {owner}{step}")
    return ["Open incidents:", "", *rows] if rows else []


def _shown(status: str | None) -> str:
    """One of our own words, such as NO_DATA, which an underscore must not turn into emphasis."""
    return (status or "-").replace("_", " ").lower()


def _link(runbook: str) -> str:
    if not runbook.startswith(("http://", "https://")):
        return escaped(runbook)
    return f"[{escaped(runbook)}]({quote(mask_forms(runbook), safe=_ADDRESS_CHARACTERS)})"


def _around(description: str) -> tuple[str, str]:
    """The user's text before and after the block; everything is before it where there is none, or only half of one."""
    start, end = description.find(BEGIN), description.find(END)
    if start < 0 or end < start:
        return description.replace(BEGIN, "").replace(END, "").rstrip(), ""
    return description[:start].rstrip(), description[end + len(END) :].lstrip()


def _cut(content: str, room: int) -> str:
    """The first lines that fit."""
    kept = ""
    for line in content.splitlines():
        longer = f"{kept}\n{line}" if kept else line
        if len(longer) > room:
            break
        kept = longer
    return kept
