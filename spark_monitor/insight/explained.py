"""One incident explained from symptom to cause, with the SQL behind each step."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from spark_monitor.errors import ConfigError
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.insight.runbook import Step, keys_are, page_of, runbook_of
from spark_monitor.insight.trends import trend_sentence
from spark_monitor.text.formatting import counted, harmless, in_shell, in_words, of_versions, slice_name, subject
from spark_monitor.text.quoting import crossed, literal

LONGEST, LONGEST_COMMAND = 600, 4_000
IDS_NAMED = 5


def found_incident(rows: Iterable[IncidentRow], named: str) -> IncidentRow:
    """The incident whose id begins as named; ConfigError where none does, or several do."""
    incidents = list(rows)
    matching = [row for row in incidents if named and row.incident_id.startswith(named)]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(row.incident_id for row in (matching or incidents)[:IDS_NAMED])
    what = "several incidents begin so" if matching else "no such incident is known"
    listing = f"Known: {listed}." if listed else "This monitor has none; `spark-monitor status FILE` shows what is known of it."
    raise ConfigError(f'INCIDENT: found "{harmless(named)}": {what}. {listing}')


def explained(row: IncidentRow, file: str) -> Iterator[str]:
    """The lines of an explanation."""
    yield f"{row.severity.upper()} {harmless(row.title, LONGEST)} [{row.incident_id}]"
    yield harmless(row.diagnosis, LONGEST)
    state = f"until {in_words(row.resolved)}" if row.resolved is not None else f"last seen {in_words(row.last_seen)}"
    yield f"Kind {row.kind}, {row.status}: {counted(row.occurrences, 'window')} from {in_words(row.opened)}, {state}."
    place = slice_name(row.slice_key, row.slice_value)
    versions = of_versions(row.versions)
    yield f"Where: {place}{versions}; {counted(row.checks, 'check')} failed."
    moved = trend_sentence(row.series)
    if moved is not None:
        yield f"Trend of {harmless(subject(row.metric or 'value', row.column))}: {moved}"
    yield f"Owner: {harmless(row.owner or 'nobody named')}; runbook: {harmless(row.runbook or '-')}"
    yield ""
    for part, (head, lines) in enumerate(_parts(row, file), start=1):
        yield f"{part}. {head}"
        yield from lines


def _parts(row: IncidentRow, file: str) -> Iterator[tuple[str, list[str]]]:
    """The chain from symptom to cause, then what to do; each part a heading and its lines."""
    yield "The symptom: what failed, window by window", [_command(file, _symptom(row))]
    if row.column not in (None, ":table") or row.dataset != "predictions":
        query = _profile(row) if row.dataset == "predictions" else _measured(row)
        yield "What it looks like, beside the windows before", [_command(file, query)]
    causes = "The causes, the first to look at first" if row.causes else "No cause further back is known."
    yield causes, list(_causes(row, file))
    steps = runbook_of(row)
    if steps:
        yield f"What to do, by {page_of(row)}", list(_to_do(steps, file))


def _to_do(steps: Sequence[Step], file: str) -> Iterator[str]:
    section = None
    for step in steps:
        if step.section != section:
            section = step.section
            yield f"   {section}"
        yield (
            _command(file, step.text)
            if step.kind == "query"
            else f"     {harmless(_with_file(step.text, file), LONGEST_COMMAND)}"
        )


def _with_file(text: str, file: str) -> str:
    """A page's text with the monitor's file behind commands about an incident, so that they can be typed in any directory.

    >>> _with_file("Then `spark-monitor ack ab12` says so.", "f.yaml")
    'Then `spark-monitor ack ab12 f.yaml` says so.'
    >>> _with_file("Type `spark-monitor run FILE --from T`.", "my f.yaml")
    "Type `spark-monitor run 'my f.yaml' --from T`."
    """
    named = re.sub(r"`(spark-monitor (?:ack|explain) \w+)`", r"`\1 FILE`", text)
    return re.sub(r"`(spark-monitor [^`]*)\bFILE\b", lambda match: f"`{match[1]}{in_shell(file)}", named)


def _causes(row: IncidentRow, file: str) -> Iterator[str]:
    for cause in row.causes:
        yield f"  - {harmless(cause.sentence or cause.what, LONGEST)}"
        query = _of_cause(cause.kind, cause.what, row)
        if query is not None:
            yield f"  {_command(file, query)}"


def _symptom(row: IncidentRow) -> str:
    """The windows that failed, the last one first: how many checks of each number, and how far off."""
    return (
        "SELECT c.`window`.start, c.metric, c.column_name, count(*) AS failing, count(c.slice_key) AS of_them_slices, "
        "min(c.value) AS lowest, max(c.value) AS highest, max(c.expected) AS expected "
        f"FROM checks c JOIN {_members(row, 'check_id')} m USING (check_id) "
        f"WHERE c.{_is_of(row)} AND c.verdict IN ('FAIL', 'ERROR') GROUP BY 1, 2, 3 ORDER BY 1 DESC, 4 DESC, 2, 3"
    )


def _members(row: IncidentRow, field: str) -> str:
    """A field of the members, each value once; they are exploded whole, since DuckDB takes no field of a list of structs."""
    members = f"SELECT explode(members) AS member FROM incidents WHERE {_is_of(row)} AND incident_id = {literal(row.incident_id)}"
    return f"(SELECT DISTINCT q.member.{field} AS {field} FROM ({members}) q)"


def _profile(row: IncidentRow) -> str:
    return (
        "SELECT `window`.start, model_version, count, percent_null, avg, stddev, `min`, median, `max`, distinct_count "
        f"FROM profile_metrics WHERE {_is_of(row)} AND column_name = {literal(row.column or '')} "
        f"AND {keys_are(row)} AND {_until(row)} ORDER BY 1 DESC, 2"
    )


def _measured(row: IncidentRow) -> str:
    """The numbers of a part of another dataset: an endpoint, a step, a service; or of all together."""
    part = f"column_name = {literal(row.column or ':table')} AND slice_key IS NULL"
    about = f"{_is_of(row)} AND dataset = {literal(row.dataset)} AND {part}"
    return (
        "SELECT `window`.start, metric, model_version, value, lower, upper, unit, message FROM metrics "
        f"WHERE {about} AND metric IN {_members(row, 'metric')} AND {_until(row)} ORDER BY 1 DESC, 2, 3"
    )


def _is_of(row: IncidentRow) -> str:
    """The tables of one schema may hold many monitors."""
    return f"monitor_id = {literal(row.monitor)}"


def _until(row: IncidentRow, column: str = "`window`.start") -> str:
    """Up to the end of the incident, so that what it looked like comes first and not what came long after."""
    return f"{column} < TIMESTAMP '{row.last_seen.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00:00'"


def is_in_pair(column: str) -> str:
    """The condition that a pair of columns, written as a cross, has this one.

    >>> is_in_pair("load")
    "(left(column_name, 6) = 'load, ' OR right(column_name, 6) = ', load')"
    """
    name = crossed([column])
    size = len(name) + len(", ")
    return f"(left(column_name, {size}) = {literal(f'{name}, ')} OR right(column_name, {size}) = {literal(f', {name}')})"


def _of_cause(kind: str, what: str, row: IncidentRow) -> str | None:
    """The query that shows a cause's numbers, the last of the incident's windows first."""
    # What fails first may be a column: causes divide the model's metric, which is another member.
    members, newest = f"{_members(row, 'metric')} m", f"{_is_of(row)} AND {_until(row, 'time')} ORDER BY time DESC, model_version"
    if kind == "column":
        # What moves for one group alone is seen there.
        or_slice = f" OR slice = {literal(_as_in_series(slice_name(row.slice_key, row.slice_value)))}" if row.slice_key else ""
        drift = f"family = 'drift' AND drift_type = 'BASELINE' AND metric IN ('ks', 'js_distance') AND (slice IS NULL{or_slice})"
        return (
            f"SELECT time, model_version, metric, {'slice, ' if or_slice else ''}value, lower, upper FROM metric_series "
            f"WHERE column_name = {literal(what)} AND {drift} AND {newest}"
        )
    if kind == "correlation":
        pairs = f"metric = 'correlation_shift' AND slice_key IS NULL AND {is_in_pair(what)}"
        return (
            "SELECT `window`.start, model_version, column_name AS pair, value, lower, upper FROM metrics "
            f"WHERE {pairs} AND {_is_of(row)} AND {_until(row)} ORDER BY 1 DESC, 2, abs(value) DESC"
        )
    of_model = "SELECT time, model_version, metric, {}, value, lower, upper FROM metric_series JOIN {} USING (metric) "
    if kind in ("slice", "mix", "rest", "everywhere"):
        named = f"slice = {literal(_as_in_series(what))}" if kind in ("slice", "mix") else "slice IS NOT NULL"
        return f"{of_model.format('slice', members)}WHERE column_name IS NULL AND {named} AND {newest}"
    if kind in ("concept", "inputs", "version"):
        return f"{of_model.format('basis', members)}WHERE column_name IS NULL AND slice IS NULL AND {newest}, basis"
    if kind == "prior_shift":
        rates = "metric = 'base_rate' AND slice IS NULL"
        return f"SELECT time, model_version, basis, value, lower, upper FROM metric_series WHERE {rates} AND {newest}"
    if kind in ("scores", "labels"):
        ranks = "metric IN ('roc_auc_score', 'base_rate') AND slice IS NULL"
        numbers = "metric, basis, value, lower, upper"
        return f"SELECT time, model_version, {numbers} FROM metric_series WHERE {ranks} AND {newest}, metric"
    if kind == "class":
        cells = f"metric = 'confusion_matrix' AND slice_key IS NULL AND {_is_of(row)} AND {_until(row)}"
        counted = "class AS label_and_prediction, value AS row_count"
        return f"SELECT `window`.start, model_version, {counted} FROM model_metrics WHERE {cells} ORDER BY 1 DESC, 2, 4 DESC"
    return None


def _as_in_series(name: str) -> str:
    """A slice as `metric_series` names it.

    >>> _as_in_series("(distance > 1000) is true"), _as_in_series("origin is NULL"), _as_in_series("origin = JFK")
    ('distance > 1000 = true', 'origin = NULL', 'origin = JFK')
    """
    condition = re.fullmatch(r"\((?P<key>.*)\) is (?P<value>true|false)", name)
    if condition is not None:
        return f"{condition['key']} = {condition['value']}"
    return f"{name.removesuffix(' is NULL')} = NULL" if name.endswith(" is NULL") else name


def _command(file: str, query: str) -> str:
    """A query as a command that a shell reads."""
    return harmless(f"   spark-monitor sql {in_shell(file)} {shlex.quote(query)}", LONGEST_COMMAND)


__all__: Sequence[str] = ("explained", "found_incident")
