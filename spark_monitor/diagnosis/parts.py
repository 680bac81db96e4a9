"""What is behind a number of the service, a step or a bill: the host, run, step or service that its row of `metrics` names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.problems import Problem, under
from spark_monitor.diagnosis.subjects import PIPELINE
from spark_monitor.text.formatting import harmless, number

PREDICTIONS: Final = "predictions"
LATENESS: Final = "step_lateness_seconds"
STANDS_OUT: Final = 2.0
"""A host is named where it is so many times as slow as the median host, or fails so many times as often as the one after it."""

PROBLEMS_NAMED: Final = 3
_MINOR: Final = "another minor version"
_BREAKS: Final = re.compile(r"another major version|, the model takes | is missing$")

PartKey = tuple[str, int, str, str, str | None]
"""Dataset, start of the window in microseconds, metric, column (`:table` of everything) and version."""

Remark = tuple[str | None, Mapping[str, str]]
"""The message and the details of a measurement."""

_SLOWEST: Final = re.compile(r"(?P<host>.+?) (?P<ms>[-+.\deE]+) ms \((?P<times>[-+.\deE]+) times the median host\)(?:, |$)")
_FAILING: Final = re.compile(r"(?P<host>.+?) (?P<failed>[-+.\deE]+) of (?P<requests>[-+.\deE]+)(?:, |$)")

_MOVED: Final = re.compile(r"(?P<service>.+) (?P<now>[-+.\deE]+) \((?P<before>[-+.\deE]+) on average before\)$")


def part_key(problem: Problem) -> PartKey | None:
    """The measurement that failed first; None of predictions, whose causes are others."""
    first = problem.main.first
    if problem.dataset == PREDICTIONS or not first.failing:
        return None
    failing = first.failing[0]
    return problem.dataset, first.start, failing.metric, failing.column or ":table", failing.version


def without_waiting_steps(problems: Sequence[Problem], remark_of: Mapping[int, Remark]) -> list[Problem]:
    """The problems without those of steps whose first broken step upstream has one that goes on: that takes their checks.

    A step that is late belongs to one that it waits for, if that is late as well.
    ``remark_of`` has the remark of a problem's first failing measurement by the problem's ``id``.
    """
    of_pipelines = [one for one in problems if one.main.first.track == PIPELINE]

    def waits_for(one: Problem, other: Problem) -> bool:
        _, details = remark_of.get(id(one), (None, {}))
        upstream = details.get("first_broken_step", "").split(", ")
        if _is_late(one) and _is_late(other):
            upstream += details.get("waits_for", "").split(", ")
        goes_on = other.opened == one.opened or other.goes_on_at(one.opened)
        return one.dataset == other.dataset and other.main.first.name in upstream and goes_on

    roots = [one for one in of_pipelines if not any(waits_for(one, other) for other in of_pipelines if other is not one)]
    return under(problems, roots, waits_for)


def _is_late(problem: Problem) -> bool:
    return LATENESS in {one.metric for one in problem.main.first.failing}


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
    causes = [_slow(details.get("slowest_hosts", "")), _failing(details), _upstream(details), _missed(message, details)]
    causes.append(_service(details.get("moved_service", "")))
    causes += _unlike_the_model(details.get("problems", ""))
    return [cause for cause in causes if cause is not None]


def _slow(hosts: str) -> Cause | None:
    slowest = _SLOWEST.match(hosts)
    if slowest is None or float(slowest["times"]) < STANDS_OUT:
        return None
    host, times = harmless(slowest["host"]), number(float(slowest["times"]))
    sentence = f"Host {host} took {number(float(slowest['ms']))} ms on average, {times} times the median host."
    return Cause("host", f"host {host}", None, sentence)


def _failing(details: Mapping[str, str]) -> Cause | None:
    hosts = list(_FAILING.finditer(details.get("failing_hosts", "")))
    shares = [float(one["failed"]) / float(one["requests"]) for one in hosts]
    if not hosts or shares[0] < STANDS_OUT * max(shares[1:], default=0.0):
        return None
    host, first = harmless(hosts[0]["host"]), details.get("first_failed_host")
    began = f"; the first that failed was {harmless(first)}" if first else ""
    sentence = f"Host {host} failed {hosts[0]['failed']} of {hosts[0]['requests']} requests{began}."
    return Cause("host", f"host {host}", None, sentence)


def _upstream(details: Mapping[str, str]) -> Cause | None:
    step = details.get("first_broken_step")
    return Cause("step", f"step {harmless(step)}", None, f"The first broken step upstream: {harmless(step)}.") if step else None


def _service(moved: str) -> Cause | None:
    match = _MOVED.match(moved)
    if match is None:
        return None
    service, now, before = harmless(match["service"]), number(float(match["now"])), number(float(match["before"]))
    return Cause(
        "service", f"service {service}", None, f"Service {service} cost {now}; {before} in as much time before, on average."
    )


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


__all__ = ["PartKey", "Remark", "part_causes", "part_key", "without_waiting_steps"]
