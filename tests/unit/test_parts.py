"""What is behind a number of the service or of a step, as the remarks of its measurement name it."""

from __future__ import annotations

import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.incident import incident
from spark_monitor.diagnosis.looks import Evidence
from spark_monitor.diagnosis.parts import part_causes, part_keys, without_waiting_steps
from spark_monitor.diagnosis.problems import Problem


def test_a_host_is_named_only_where_it_stands_out() -> None:
    slow = "serving-4 2011 ms (183 times the median host), serving-3 10.99 ms (1 times the median host)"
    alike = "serving-2 11.09 ms (1.02 times the median host), serving-1 11.04 ms (1.01 times the median host)"

    (cause,) = part_causes((None, {"slowest_hosts": slow}))
    assert cause.what == "host serving-4"
    assert cause.sentence == "Host serving-4 took 2,011 ms on average, 183 times the median host."
    assert part_causes((None, {"slowest_hosts": alike})) == []


def test_a_host_that_fails_is_named_with_the_first_failure() -> None:
    details = {"failing_hosts": "b, c 30 of 100, a 1 of 100", "first_failed_host": "b, c at 2024-01-01 00:00:00 UTC"}

    (cause,) = part_causes((None, details))
    assert cause.what == "host b, c"
    assert cause.sentence == "Host b, c failed 30 of 100 requests; the first that failed was b, c at 2024-01-01 00:00:00 UTC."
    assert part_causes((None, {"failing_hosts": "a 30 of 100, b 29 of 100"})) == []


def test_a_step_upstream_comes_before_the_step_itself() -> None:
    causes = part_causes(("The step was due T and did not run.", {"missed": "T", "first_broken_step": "features"}))

    assert [cause.what for cause in causes] == ["step features", "the run that was due T"]
    assert causes[1].sentence == "The step was due T and did not run."


def test_the_package_whose_major_version_changed_comes_first() -> None:
    minor, major = "pandas 2.3.0 is another minor version than 2.1.0", "numpy 2.0.1 is another major version than 1.26.4"
    problems = f"mlflow is not installed; {minor}; {major}"
    causes = part_causes((None, {"problems": problems}))

    assert [cause.what for cause in causes] == ["numpy", "mlflow", "pandas"]
    assert causes[0].sentence == "numpy 2.0.1 is another major version than 1.26.4."
    assert [cause.what for cause in part_causes((None, {"problems": "age is string, the model takes long"}))] == ["age"]


def test_remarks_without_a_name_and_hostile_ones_name_nothing_that_acts() -> None:
    assert part_causes(None) == part_causes(("Clocks differ.", {})) == []
    (cause,) = part_causes((None, {"slowest_hosts": "\x1b[31mh 9 ms (9 times the median host)"}))
    assert "\x1b" not in cause.sentence + cause.what


def broken(step: str, *, start: int = 5, metric: str = "step_missed_runs") -> Problem:
    check = Failing(step, metric, family="pipeline", column=step, value=2.0 if step == "score" else 1.0, expected="<= 0")
    group = of_checks(check, start=start, end=start + 1, name=step, dataset="pipelines")
    return Problem([Episode(finding_of(Evidence(), frozenset()), [group])], "pipeline")


def test_steps_that_wait_for_a_broken_one_are_its_incident() -> None:
    load, clean, score, other = broken("load"), broken("clean"), broken("score", metric="step_failures"), broken("other")
    waits = {id(clean): (None, {"first_broken_step": "load"}), id(score): (None, {"first_broken_step": "absent, load"})}

    kept = without_waiting_steps([clean, load, other, score], waits)

    assert kept == [load, other]
    told = incident(load, monitor_id="m")
    assert {one.check_id for one in told.members} == {"load", "clean", "score"}
    assert told.title == "step_missed_runs of load is beyond what is allowed"
    assert told.diagnosis.startswith("step_missed_runs is up to 1 (allowed: <= 0) since")
    assert "; what waits for it did not do well either: clean, score." in told.diagnosis


@pytest.mark.parametrize("handed_on", ["step_lateness_seconds", "output_rows"])
def test_steps_that_lack_what_one_before_them_lacks_are_its_incident(handed_on: str) -> None:
    load, clean, score = (broken(step, metric=handed_on) for step in ("load", "clean", "score"))
    own = broken("score", metric="step_failures")
    waits = {id(clean): (None, {"waits_for": "load"}), id(score): (None, {"waits_for": "clean, load"})}

    assert without_waiting_steps([clean, load, score], waits) == [load]
    alone = without_waiting_steps([load, own], {id(own): (None, {"waits_for": "load"})})
    assert alone == [load, own]  # that it fails is another thing


def test_what_was_broken_before_a_step_later_on_is_not_asked() -> None:
    groups = [
        of_checks(one.failing[0], start=start, end=start + 1, name=str(start), dataset="pipelines")
        for start, one in enumerate(broken("score").groups * 3)
    ]
    problem = Problem([Episode(finding_of(Evidence(), frozenset()), groups)], "pipeline")
    assert [start for _, start, *_ in part_keys(problem)] == [0]


@pytest.mark.parametrize("start", [1, 7])
def test_a_step_that_breaks_at_another_time_is_an_incident_of_its_own(start: int) -> None:
    load, score = broken("load", start=start), broken("score", start=5)
    assert without_waiting_steps([load, score], {id(score): (None, {"first_broken_step": "load"})}) == [load, score]


def test_no_check_is_lost_where_steps_wait_for_each_other() -> None:
    first, second, third = broken("a"), broken("b"), broken("c")
    waits = {id(one): (None, {"first_broken_step": name}) for one, name in ((first, "b"), (second, "a"), (third, "a"))}
    kept = without_waiting_steps([first, second, third], waits)
    assert sorted(one.check_id for problem in kept for group in problem.groups for one in group.failing) == ["a", "b", "c"]
