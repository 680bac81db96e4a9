"""The text of `spark-monitor status` for several monitors: a line per model and version, what is open, where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from spark_monitor.insight.facts import Facts, VersionFacts
from spark_monitor.insight.rows import SEVERITIES, IncidentRow
from spark_monitor.outputs.terminal.layout import INDENT, more, sections, table, wrapped
from spark_monitor.outputs.terminal.summary import course_of, version_row, with_course
from spark_monitor.text.formatting import counted, harmless, in_shell, in_words, number, of_versions

LINES_SHOWN, OPEN_SHOWN = 30, 10
"""Rows of lists; how many more there are is shown."""

ORDER = ("FAIL", "ERROR", "NO_DATA", "WARN", "UNCHECKED", "UNDECIDED", "PASS")
"""What is broken first, then what nothing is known of, and what is well last."""

HEADER = ("monitor", "version", "status", "open", "last rows", "performance", "course")
DAY = len("2013-12-23")


def fleet_summary(monitors: Sequence[tuple[Facts, str]], *, everything: bool = False) -> str:
    """The summary of several monitors, each with its file as the reader would type it."""
    ordered = sorted(monitors, key=lambda one: (place_of(one[0].status), one[0].monitor))
    by_status = Counter(facts.status for facts, _ in ordered)
    counts = ", ".join(f"{by_status[status]:,} {status}" for status in ORDER if by_status[status])
    lines = [*wrapped(f"{counted(len(ordered), 'monitor')}: {counts}", ""), ""]
    lines += [*_lines(ordered, everything=everything), ""]
    lines += sections(("Open incidents", _open(ordered, everything=everything)), ("Next queries", _hints(ordered)))
    return "\n".join(lines).rstrip() + "\n"


def place_of(status: str) -> int:
    """The place of a status in the order of reading."""
    return ORDER.index(status) if status in ORDER else len(ORDER)


def _lines(monitors: Sequence[tuple[Facts, str]], *, everything: bool) -> Iterator[str]:
    rows, courses = list[tuple[str, ...]](), list[list[float | None]]()
    for facts, _ in monitors:
        for version in facts.versions:
            rows.append(_row(version, facts))
            courses.append(course_of(version, facts))
        if not facts.versions:
            rows.append((facts.monitor, "-", facts.status, "-", "never run" if not facts.runs else "-", "-"))
            courses.append([])
    most = len(rows) if everything else LINES_SHOWN
    yield from table(HEADER, with_course(HEADER, rows[:most], courses[:most]))
    yield from more(len(rows), most)


def _row(version: VersionFacts, facts: Facts) -> tuple[str, ...]:
    name, status, last, *_ = version_row(version, facts)
    main = version.realised[0] if version.realised else None
    value = f"{main.metric} {number(main.value)}" if main is not None else "-"
    # The last rows' status is no state of a feed that has ended.
    status = facts.status if facts.empty else status
    return facts.monitor, name, status, f"{version.open_incidents:,}", last[:DAY], value


def _open(monitors: Sequence[tuple[Facts, str]], *, everything: bool) -> Iterator[str]:
    incidents = sorted(
        ((row, facts.monitor) for facts, _ in monitors for row in facts.open),
        key=lambda one: (_rank(one[0]), one[0].opened, one[1]),
    )
    total = sum(facts.open_total for facts, _ in monitors)
    if not total:
        yield f"{INDENT}none"
    most = len(incidents) if everything else OPEN_SHOWN
    for row, monitor in incidents[:most]:
        owner = f"owner {harmless(row.owner)}" if row.owner else "owner: nobody named"
        versions = of_versions(row.versions)
        state = "" if row.status == "OPEN" else f" ({row.status.lower()})"
        line = f"{row.severity.upper()} {monitor}: {harmless(row.title)}{state}; since {in_words(row.opened)}{versions}; {owner}"
        yield from wrapped(line, INDENT)
    yield from more(total, min(most, len(incidents)))


def _hints(monitors: Sequence[tuple[Facts, str]]) -> Iterator[str]:
    worst, given = monitors[0]
    file = in_shell(given)
    if not worst.runs:
        yield f"{INDENT}spark-monitor run {file}"
    if worst.open:
        yield f"{INDENT}spark-monitor explain {worst.open[0].incident_id} {file}"
    yield f"{INDENT}spark-monitor status {file}"
    folders = {Path(one).parent for _, one in monitors}
    if len(folders) == 1:
        yield f"{INDENT}spark-monitor report {in_shell(folders.pop())}"


def _rank(row: IncidentRow) -> int:
    return SEVERITIES.index(row.severity) if row.severity in SEVERITIES else len(SEVERITIES)
