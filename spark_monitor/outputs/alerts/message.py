"""A message about one event of one incident: what happened, since when, how much, why, whose it is, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spark_monitor.config.people import PeopleConfig
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.outputs.alerts.deliveries import ESCALATED, OPENED, RESOLVED
from spark_monitor.text.formatting import counted, harmless, in_shell, in_words, of_versions, percent, slice_name
from spark_monitor.text.masking import mask_secrets

VERBS = {OPENED: "new", ESCALATED: "worse", RESOLVED: "resolved"}
LONGEST_TITLE, LONGEST_DIAGNOSIS, MOST_CAUSES = 160, 600, 3
_ACTING = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'", "|": "¦", "*": "∗", "_": "＿", "[": "［", "]": "］"})
"""Letters that a chat program or Markdown acts upon, and letters that look like them."""

_NEVER_IN_ADDRESSES = str.maketrans({"<": "‹", ">": "›", "`": "'", "|": "¦", "[": "［", "]": "］"})
"""Of these the ones that stand in no address and no path."""


@dataclass(frozen=True)
class Message:
    """What a channel is handed; ``key`` is the same when it is sent again."""

    title: str
    body: str
    key: str
    severity: str = "medium"
    event: str = OPENED
    pictures: tuple[Path, ...] = ()
    html: str | None = None


def neutral(text: str, longest: int = LONGEST_TITLE) -> str:
    """A text from data that no terminal, chat program or mail reader acts upon.

    >>> neutral("<!channel> @everyone [x](http://y)")
    '‹!channel› ＠everyone ［x］(http://y)'
    """
    return harmless(" ".join(text.split()), longest).translate(_ACTING)


def message_of(
    incident: IncidentRow,
    event: str,
    key: str,
    *,
    monitor: str,
    people: PeopleConfig,
    file: str,
    pictures: tuple[Path, ...] = (),
) -> Message:
    """The message of one event."""
    named = neutral(incident.title) if people.spelled else f"{incident.kind}, incident {incident.incident_id[:8]}"
    title = f"[{incident.severity.upper()}, {VERBS.get(event, event.lower())}] {monitor}: {named}"
    body = "\n".join(_lines(incident, event, key, people, file))
    return Message(mask_secrets(title), mask_secrets(body), key, incident.severity, event, pictures)


def _lines(incident: IncidentRow, event: str, key: str, people: PeopleConfig, file: str) -> Iterator[str]:
    if people.spelled and incident.diagnosis:
        yield neutral(incident.diagnosis, LONGEST_DIAGNOSIS)
    lasted = f"{counted(incident.occurrences, 'window')}, {counted(incident.checks, 'check')}"
    until = f" until {in_words(incident.resolved or incident.last_seen)}" if event == RESOLVED else ""
    yield f"Since {in_words(incident.opened)}{until} ({lasted})."
    if people.spelled:
        yield f"Where: {neutral(_where(incident))}."
        yield from _causes(incident)
    yield f"Owner: {neutral(incident.owner) if incident.owner else 'nobody named'}."
    explain = f"spark-monitor explain {incident.incident_id} {in_shell(file)}"
    yield f"Next step: {_page(incident.runbook)}." if incident.runbook else f"Next step: {explain}"
    yield f"More: {explain}, or spark-monitor status {in_shell(file)}"
    links = (("Report", people.report_url), ("MLflow", people.mlflow_url))
    yield from (f"{name}: {_page(address)}" for name, address in links if address)
    yield f"Reference: {key}"


def _where(incident: IncidentRow) -> str:
    place = slice_name(incident.slice_key, incident.slice_value)
    column = f"column {harmless(incident.column)}, " if incident.column else ""
    versions = of_versions(incident.versions)
    return f"{column}{place}{versions}"


def _causes(incident: IncidentRow) -> Iterator[str]:
    for cause in incident.causes[:MOST_CAUSES]:
        fraction = f" ({percent(cause.share_beside)} of the change)" if cause.share_beside is not None else ""
        yield f"Likely cause: {neutral(cause.sentence or cause.what, LONGEST_DIAGNOSIS)}{fraction}"


def _page(runbook: str) -> str:
    """A page as it is typed or followed: an address or a path keeps its letters, but for those that none has and that act.

    >>> _page("https://wiki.example/run_books?a=*"), _page("<!channel> @here")
    ('https://wiki.example/run_books?a=*', '‹!channel› ＠here')
    """
    shown = harmless(" ".join(runbook.split()), LONGEST_DIAGNOSIS).translate(_NEVER_IN_ADDRESSES)
    return shown if "://" in shown else shown.replace("@", "＠")
