"""The page of docs/runbooks that says what to do about an incident, with its queries filled in for that incident."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from spark_monitor.diagnosis.findings import KINDS
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.text.quoting import literal

INSTALLED: Final = Path(__file__).parent / "runbooks"
IN_A_CHECKOUT: Final = Path(__file__).parents[2] / "docs" / "runbooks"
_PAGE: Final = re.compile(r"docs/runbooks/(\w+)\.md")
_SECTION: Final = re.compile(r"^## +(.+)$", re.MULTILINE)
_QUERY: Final = re.compile(r"```sql\n(.*?)\n```", re.DOTALL)
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True)
class Step:
    """A paragraph, or a query, of one section of a runbook."""

    section: str
    kind: Literal["text", "query"]
    text: str


def page_of(row: IncidentRow) -> str:
    """The page that says what to do: the rule's, where it is one of this project's, else the one about the incident's kind.

    A rule that names the page of a kind does so before anybody knows what will break it: then what has happened decides.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2024, 5, 6, tzinfo=UTC)
    >>> page_of(IncidentRow("a1", "missing", "", "", at, at, runbook="docs/runbooks/drift.md"))
    'docs/runbooks/missing.md'
    """
    named = _PAGE.fullmatch(row.runbook or "")
    is_of_user = named is not None and named[1] not in KINDS and any(path.is_file() for path in _places(named[1]))
    return row.runbook if is_of_user and row.runbook is not None else f"docs/runbooks/{row.kind}.md"


def followed(runbook: str | None, kind: str) -> str | None:
    """What a rule names as the next step, read when an incident's kind is known: the page about that kind for one about another.

    >>> followed("docs/runbooks/drift.md", "unit_change"), followed("docs/runbooks/auc.md", "performance")
    ('docs/runbooks/unit_change.md', 'docs/runbooks/auc.md')
    """
    named = _PAGE.fullmatch(runbook or "")
    return f"docs/runbooks/{kind}.md" if named is not None and named[1] in KINDS and kind in KINDS else runbook


def runbook_of(row: IncidentRow) -> list[Step]:
    """What to do about an incident, by the page about its kind; nothing of a kind that has none.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2024, 5, 6, tzinfo=UTC)
    >>> row = IncidentRow("a1", "missing", "age is missing", "", at, at, column="age")
    >>> steps = runbook_of(row)
    >>> [step.section for step in steps if step.kind == "query"], "column_name = 'age'" in " ".join(step.text for step in steps)
    (['First look'], True)
    """
    page = _PAGE.fullmatch(page_of(row))
    path = next((one for one in _places(page[1]) if one.is_file()), None) if page is not None else None
    return list(_steps(path.read_text(encoding="utf-8"), _words(row))) if path is not None else []


def _places(name: str) -> Iterator[Path]:
    yield from (directory / f"{name}.md" for directory in (INSTALLED, IN_A_CHECKOUT))


def _words(row: IncidentRow) -> Mapping[str, str]:
    """What stands in the pages for what an incident is about."""
    return {
        "'MONITOR'": literal(row.monitor),
        "'COLUMN'": literal(row.column or ":table"),
        "'METRIC'": literal(row.metric or ""),
        "slice IS NULL": _slice_is(row),
        "slice_key IS NULL": keys_are(row),
        "'ONSET'": f"'{row.opened.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00:00'",
        "INCIDENT": row.incident_id,
        "ONSET": _typed(row.opened),
    }


def _typed(moment: datetime) -> str:
    """A timestamp as an option takes it: one word, in UTC.

    >>> _typed(datetime(2024, 5, 6, tzinfo=UTC)), _typed(datetime(2024, 5, 6, 9, 30, tzinfo=UTC))
    ('2024-05-06', '2024-05-06T09:30:00Z')
    """
    at = moment.astimezone(UTC)
    return f"{at:%Y-%m-%d}" if at == at.replace(hour=0, minute=0, second=0, microsecond=0) else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def keys_are(row: IncidentRow) -> str:
    """The slice of an incident as tables have it, as a condition in SQL."""
    if row.slice_key is None:
        return "slice_key IS NULL"
    value = "slice_value IS NULL" if row.slice_value is None else f"slice_value = {literal(row.slice_value)}"
    return f"slice_key = {literal(row.slice_key)} AND {value}"


def _slice_is(row: IncidentRow) -> str:
    """The same as the view `metric_series` has it."""
    if row.slice_key is None:
        return "slice IS NULL"
    value = "NULL" if row.slice_value is None else row.slice_value
    return f"slice = {literal(f'{row.slice_key} = {value}')}"


def _steps(page: str, words: Mapping[str, str]) -> Iterator[Step]:
    named = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words))
    _, *sections = _SECTION.split(page)
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        for place, part in enumerate(_QUERY.split(named.sub(lambda word: words[word[0]], body))):
            kind: Literal["text", "query"] = "query" if place % 2 else "text"
            paragraphs = part.split("\n\n") if kind == "text" else [part]
            yield from (Step(title, kind, text) for one in paragraphs if (text := _SPACE.sub(" ", one).strip()))


__all__ = ["Step", "followed", "keys_are", "page_of", "runbook_of"]
