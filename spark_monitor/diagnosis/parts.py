"""What is behind a number of the service, a step or a bill: the host, run, step or service that its row of `metrics` names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.problems import Place, Problem, under
from spark_monitor.diagnosis.subjects import COST, FAILURES, LATENCY, OF_SERVICE, PIPELINE
from spark_monitor.operations.steps import HANDED_ON
from spark_monitor.states.proportions import score_interval
from spark_monitor.text.formatting import harmless, number

PREDICTIONS: Final = "predictions"
STANDS_OUT: Final = 2.0
"""A host is named where it is so many times as slow as the median host, or fails so many times as often as the one after it."""

COMPARABLE: Final = 10
"""What had less than so large a part of its requests is no other that a host or an endpoint could stand out from."""

SURELY: Final = 3.0
"""Deviations of its interval: the one that failed most of many is chosen by chance as well."""

WINDOWS_ASKED: Final = 3
METRICS_ASKED: Final = 4
"""So many of a problem's windows, and of the metrics that fail in the first, are asked for what is behind it."""

REMARKED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("latency_p50", "latency_p90", "latency_p99"), "latency_p95"),
    "failed_requests": "failure_rate",
    **dict.fromkeys(("budget_used_percent", "budget_forecast_percent", "cost_per_1000_predictions"), "cost"),
}
"""The metric whose row names what is behind another one of the same window."""

PROBLEMS_NAMED: Final = 3
_MINOR: Final = "another minor version"
_BREAKS: Final = re.compile(r"another major version|, the model takes | is missing$")

PartKey = tuple[str, int, str, str, str | None]
"""Dataset, start of the window in microseconds, metric, column (`:table` of everything) and version."""

Remark = tuple[str | None, Mapping[str, str]]
"""The message and the details of a measurement."""

_SLOWEST: Final = re.compile(r"(?P<name>.+?) (?P<ms>[-+.\deE]+) ms \((?P<times>[-+.\deE]+) times the median host\)(?:, |$)")
_FAILING: Final = re.compile(r"(?P<name>.+?) (?P<failed>[-+.\deE]+) of (?P<requests>[-+.\deE]+)(?:, |$)")

_MOVED: Final = re.compile(r"(?P<service>.+) (?P<now>[-+.\deE]+) \((?P<before>[-+.\deE]+) on average before\)$")


def part_keys(problem: Problem) -> list[PartKey]:
    """The measurements to ask what is behind a problem: those that failed first, and the first of the next windows.

    None of predictions, whose causes are others. Of a step only the first window's: what was broken before it later on is behind
    what happened then.
    """
    if problem.dataset == PREDICTIONS:
        return []
    first, *later = problem.main.groups[: 1 if problem.main.first.track == PIPELINE else WINDOWS_ASKED]
    of_first = first.failing[:METRICS_ASKED]
    failing = [*((first, one) for one in of_first), *((group, one) for group in later for one in group.failing[:1])]
    keys = [
        (problem.dataset, group.start, REMARKED.get(one.metric, one.metric), one.column or ":table", one.version)
        for group, one in failing
    ]
    return list(dict.fromkeys(keys))


def merged_remark(remarks: Sequence[Remark]) -> Remark | None:
    """The first message and all details, the first of each name.

    >>> merged_remark([(None, {"a": "1"}), ("Late.", {"a": "2", "b": "3"})])
    ('Late.', {'b': '3', 'a': '1'})
    """
    if not remarks:
        return None
    details = {key: value for _, one in reversed(remarks) for key, value in sorted(one.items(), reverse=True)}
    return next((message for message, _ in remarks if message), None), details


def place_of(problem: Problem, remarks: Sequence[Remark]) -> Place | None:
    """The machine, endpoint or service of the bill that a problem comes from: what the first remarks name that do name one."""
    track = problem.main.first.track
    if track not in (*OF_SERVICE, COST):
        return None
    named = (_place(track, details) for _, details in remarks)
    return next((place for place in named if place is not None), None)


def _place(track: str, details: Mapping[str, str]) -> Place | None:
    if track == COST:
        moved = _MOVED.match(details.get("moved_service", ""))
        return ("service", moved["service"]) if moved and float(moved["now"]) > float(moved["before"]) else None
    if track == LATENCY:
        slowest = _slowest(details)
        return ("host", slowest["name"]) if slowest else None
    failing = _most_failing(details)
    return (failing[0], failing[1]["name"]) if failing and track == FAILURES else None


def without_waiting_steps(problems: Sequence[Problem], remark_of: Mapping[int, Remark]) -> list[Problem]:
    """The problems without those of steps whose first broken step upstream has one that goes on: that takes their checks.

    A step that is late, or wrote another number of rows than it may, belongs to one that it waits for, if that did as well.
    ``remark_of`` has the remark of a problem's first failing measurement by the problem's ``id``.
    """
    of_pipelines = [one for one in problems if one.main.first.track == PIPELINE]

    def waits_for(one: Problem, other: Problem) -> bool:
        _, details = remark_of.get(id(one), (None, {}))
        upstream = details.get("first_broken_step", "").split(", ")
        if any(_fails(one, metric) and _fails(other, metric) for metric in HANDED_ON):
            upstream += details.get("waits_for", "").split(", ")
        goes_on = other.opened == one.opened or other.goes_on_at(one.opened)
        return one.dataset == other.dataset and other.main.first.name in upstream and goes_on

    roots = [one for one in of_pipelines if not any(waits_for(one, other) for other in of_pipelines if other is not one)]
    return under(problems, roots, waits_for)


def _fails(problem: Problem, metric: str) -> bool:
    return any(one.metric == metric for one in problem.main.first.failing)


def part_causes(remark: Remark | None) -> list[Cause]:
    """What a measurement's own remarks name, the first to look at first.

    >>> [cause.what for cause in part_causes((None, {"slowest_hosts": "h4 2010 ms (183 times the median host)"}))]
    ['host h4']
    >>> [cause.what for cause in part_causes(("It did not run.", {"missed": "2013-08-14 03:00:00 UTC"}))]
    ['the run that was due 2013-08-14 03:00:00 UTC']
    """
    if remark is None:
        return []
    message, details = remark
    causes = [_slow(details), _failing(details), _upstream(details), _missed(message, details), _failed_run(details)]
    causes += [_service(details.get("moved_service", "")), _schema(details)]
    causes += _unlike_the_model(details.get("problems", ""))
    return [cause for cause in causes if cause is not None]


def _slowest(details: Mapping[str, str]) -> re.Match[str] | None:
    slowest = _SLOWEST.match(details.get("slowest_hosts", ""))
    return slowest if slowest is not None and float(slowest["times"]) >= STANDS_OUT else None


def _slow(details: Mapping[str, str]) -> Cause | None:
    slowest = _slowest(details)
    if slowest is None:
        return None
    host, times = harmless(slowest["name"]), number(float(slowest["times"]))
    sentence = f"Host {host} took {number(float(slowest['ms']))} ms on average, {times} times the median host."
    return Cause("host", f"host {host}", None, sentence)


def _most_failing(details: Mapping[str, str]) -> tuple[str, re.Match[str]] | None:
    """The host or the endpoint that fails surely and far more often than the others; of both the one of which more fails.

    A machine that serves one endpoint alone fails as often as that does, which is then the one to name.
    """
    standing = [
        (kind, named)
        for kind in ("endpoint", "host")
        if (named := _standing_out(details.get(f"failing_{kind}s", ""))) is not None
    ]
    return max(standing, key=lambda one: _share(one[1]), default=None)


def _standing_out(named: str) -> re.Match[str] | None:
    every = list(_FAILING.finditer(named))
    if not every:
        return None
    first = every[0]
    comparable = [one for one in every[1:] if float(one["requests"]) * COMPARABLE >= float(first["requests"])]
    most = max(map(_share, comparable), default=0.0)
    surely = float(score_interval(float(first["failed"]), float(first["requests"]), SURELY)[0])
    return first if _share(first) >= STANDS_OUT * most and surely > most else None


def _share(failing: re.Match[str]) -> float:
    return float(failing["failed"]) / float(failing["requests"])


def _failing(details: Mapping[str, str]) -> Cause | None:
    failing = _most_failing(details)
    if failing is None:
        return None
    kind, most = failing
    name, first = harmless(most["name"]), details.get("first_failed_host") if kind == "host" else None
    began = f"; the first that failed was {harmless(first)}" if first else ""
    sentence = f"{kind.capitalize()} {name} failed {most['failed']} of {most['requests']} requests{began}."
    return Cause(kind, f"{kind} {name}", None, sentence)


def _upstream(details: Mapping[str, str]) -> Cause | None:
    step = details.get("first_broken_step")
    return Cause("step", f"step {harmless(step)}", None, f"The first broken step upstream: {harmless(step)}.") if step else None


def _service(moved: str) -> Cause | None:
    match = _MOVED.match(moved)
    if match is None:
        return None
    service, now, before = harmless(match["service"]), number(float(match["now"])), number(float(match["before"]))
    usual = "nothing before: it is new" if not float(match["before"]) else f"{before} in as much time before, on average"
    return Cause("service", f"service {service}", None, f"Service {service} cost {now}; {usual}.")


def _failed_run(details: Mapping[str, str]) -> Cause | None:
    first = details.get("first_failure")
    return Cause("step", f"the run that failed {harmless(first)}", None, f"A run failed {harmless(first)}.") if first else None


def _schema(details: Mapping[str, str]) -> Cause | None:
    """What changed in a table's schema, when and by whom; or in that of a model that was trained again."""
    changes = details.get("changes") or details.get("changed_schema")
    if not changes:
        return None
    what = harmless(changes.split("; ", 1)[0].split(", ", 1)[0], 100)
    return Cause("schema", f"the schema: {what}", None, f"The schema changed: {harmless(changes, 300)}.")


def _unlike_the_model(problems: str) -> list[Cause | None]:
    """Packages and columns that are not as the model's version takes them, those that break it first."""
    ordered = sorted(filter(None, problems.split("; ")), key=lambda one: (not _BREAKS.search(one), _MINOR in one))
    return [
        Cause("model", harmless(one.split(" ", 1)[0], 100), None, f"{harmless(one, 300)}.") for one in ordered[:PROBLEMS_NAMED]
    ]


def _missed(message: str | None, details: Mapping[str, str]) -> Cause | None:
    missed = details.get("missed")
    if not missed or not message:
        return None
    return Cause("step", f"the run that was due {harmless(missed)}", None, harmless(message, 300))


__all__ = ["PartKey", "Remark", "merged_remark", "part_causes", "part_keys", "place_of", "without_waiting_steps"]
