"""What is behind a number of the service or of a step, as the remarks of its measurement name it."""

from __future__ import annotations

from spark_monitor.diagnosis.parts import part_causes


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


def test_remarks_without_a_name_and_hostile_ones_name_nothing_that_acts() -> None:
    assert part_causes(None) == part_causes(("Clocks differ.", {})) == []
    (cause,) = part_causes((None, {"slowest_hosts": "\x1b[31mh 9 ms (9 times the median host)"}))
    assert "\x1b" not in cause.sentence + cause.what
