"""Problems of a service or a bill: which are one, and where they are."""

from __future__ import annotations

import pytest

from spark_monitor.diagnosis.diagnose import problems_of
from spark_monitor.diagnosis.groups import Failing, Group, of_checks
from spark_monitor.diagnosis.incident import Incident, incident
from spark_monitor.diagnosis.parts import Remark, part_causes, part_keys, place_of
from spark_monitor.diagnosis.places import with_places

WINDOWS = 20
SLOW = {"slowest_hosts": "h7 480 ms (12 times the median host), h2 41 ms (1.02 times the median host)"}
BURST = {
    "failing_endpoints": "explain 270 of 600, score 9 of 2400, rank 4 of 1000",
    "failing_hosts": "h1 26 of 330, h2 25 of 340",
}


def failing(metric: str, place: str, starts: range, dataset: str = "operations", *, value: float = 9.0) -> list[Group]:
    family = {"operations": "system", "costs": "cost", "pipelines": "pipeline"}[dataset]
    column = None if place == ":table" else place
    one = Failing(f"{metric} {place}", metric, family=family, column=column, value=value, expected="<= 1")
    return [of_checks(one, name=place, dataset=dataset, start=at, end=at + 1) for at in starts]


def found(*several: list[Group], remarks: dict[tuple[str, str], Remark] | None = None) -> list[Incident]:
    """The incidents, where the measurements of a metric and column have remarks."""
    groups = [group for groups in several for group in groups]
    windows = {"1 week": [(at, at + 1) for at in range(WINDOWS)]}
    kept = problems_of(groups, windows, {})
    asked = {id(one): [key for key in part_keys(one) if (remarks or {}).get((key[2], key[3]))] for one in kept}
    of = {about: [(remarks or {})[key[2], key[3]] for key in keys] for about, keys in asked.items()}
    places = {id(one): place for one in kept if (place := place_of(one, of[id(one)])) is not None}
    causes = {id(one): [cause for remark in of[id(one)][:1] for cause in part_causes(remark)] for one in kept}
    return [incident(one, monitor_id="m", causes=causes[id(one)]) for one in with_places(kept, places)]


def shown(incidents: list[Incident]) -> list[tuple[str | None, int, str]]:
    return [(one.column, one.opened, one.title) for one in incidents]


def test_a_slow_host_and_a_burst_of_one_endpoint_that_overlap_are_two_incidents() -> None:
    remarks: dict[tuple[str, str], Remark] = {
        **{("latency_p95", name): (None, SLOW) for name in (":table", "score", "explain", "rank")},
        ("failure_rate", ":table"): (None, BURST),
    }
    slow = [failing("latency_p95", ":table", range(2, 9)), failing("latency_p99", "rank", range(3, 5))]
    slow += [failing("latency_p95", "explain", range(2, 8)), failing("latency_p95", "score", range(6, 8))]
    burst = [failing("failure_rate", "explain", range(5, 10)), failing("failure_rate", ":table", range(6, 10))]

    incidents = found(*slow, *burst, remarks=remarks)

    assert shown(incidents) == [
        (None, 2, "latency_p95 is beyond what is allowed on host h7"),
        ("explain", 5, "failure_rate of explain is beyond what is allowed"),
    ]
    assert [len(one.members) for one in incidents] == [4, 2]
    assert [cause.what for cause in incidents[0].causes] == ["host h7"]


def test_an_endpoint_that_fails_is_named_where_only_all_together_are_judged() -> None:
    (one,) = found(failing("failed_requests", ":table", range(5, 8)), remarks={("failure_rate", ":table"): (None, BURST)})

    assert (one.column, one.title) == ("explain", "failed_requests of explain is beyond what is allowed")
    assert [cause.sentence for cause in one.causes] == ["Endpoint explain failed 270 of 600 requests."]


def test_two_endpoints_that_fail_one_after_the_other_are_two() -> None:
    """All together fail since the first of them does."""
    whole = failing("failure_rate", ":table", range(2, 12))
    burst: Remark = (None, BURST)
    incidents = found(
        whole,
        failing("failure_rate", "explain", range(2, 12)),
        failing("failure_rate", "rank", range(6, 9)),
        remarks={("failure_rate", ":table"): burst},
    )

    assert [(one.column, one.opened, len(one.members)) for one in incidents] == [("explain", 2, 2), ("rank", 6, 1)]


def test_all_endpoints_together_are_one_though_small_ones_fail_surely_later() -> None:
    whole = failing("latency_p95", ":table", range(2, 9))
    parts = [failing("latency_p95", name, range(at, 9)) for name, at in (("score", 2), ("explain", 4), ("rank", 7))]

    (one,) = found(whole, *parts)

    assert (one.column, one.opened, len(one.members), one.title) == (None, 2, 4, "latency_p95 is beyond what is allowed")


def test_slow_and_failing_since_one_window_at_one_place_is_one() -> None:
    (one,) = found(failing("latency_p95", "rank", range(3, 6)), failing("failure_rate", "rank", range(3, 6)))
    assert (one.column, len(one.members)) == ("rank", 2)

    apart = found(failing("latency_p95", "rank", range(3, 6)), failing("failure_rate", "score", range(3, 6)))
    assert sorted(one.column or "" for one in apart) == ["rank", "score"]


def test_requests_and_machines_that_stop_together_are_one() -> None:
    stopped = [failing("requests", ":table", range(3, 6), value=0.0), failing("active_hosts", ":table", range(3, 6), value=0.0)]
    parts = [failing("requests", name, range(3, 6), value=0.0) for name in ("score", "rank")]
    (one,) = found(*stopped, *parts)
    assert (one.column, len(one.members)) == (None, 4)


def test_the_service_whose_price_doubled_is_the_place_and_the_budget_its_own() -> None:
    moved: Remark = (None, {"moved_service": "gpu 19.1 (9.99 on average before)"})
    incidents = found(
        failing("cost", ":table", range(2, 6), "costs"),
        failing("cost", "gpu", range(2, 6), "costs"),
        failing("budget_used_percent", ":table", range(5, 9), "costs"),
        remarks={("cost", ":table"): moved},
    )

    assert shown(incidents) == [
        ("gpu", 2, "cost of gpu is beyond what is allowed"),
        (None, 5, "budget_used_percent is beyond what is allowed"),
    ]
    assert [cause.what for cause in incidents[1].causes] == ["service gpu"]


def test_tags_that_a_dearer_service_is_billed_under_are_its_incident() -> None:
    moved: Remark = (None, {"moved_service": "gpu 19.1 (9.99 on average before)"})
    names = (":table", "tag=prod", "tag=dev")
    incidents = found(
        *(failing("cost", name, range(2, 6), "costs") for name in (*names, "gpu")),
        remarks={("cost", name): moved for name in names},
    )
    assert [(one[0], one[1]) for one in shown(incidents)] == [("gpu", 2)]
    without_the_bill = found(
        *(failing("cost", name, range(2, 6), "costs") for name in ("tag=prod", "gpu")), remarks={("cost", "tag=prod"): moved}
    )
    assert [(one[0], one[1]) for one in shown(without_the_bill)] == [("gpu", 2)]


def test_a_tag_that_another_service_is_behind_is_an_incident_of_its_own() -> None:
    moved: Remark = (None, {"moved_service": "store 19.1 (9.99 on average before)"})
    incidents = found(
        *(failing("cost", name, range(2, 6), "costs") for name in ("tag=prod", "gpu")), remarks={("cost", "tag=prod"): moved}
    )
    assert sorted(str(one[0]) for one in shown(incidents)) == ["gpu", "tag=prod"]


def test_a_new_service_is_the_place_of_a_bill_that_grew() -> None:
    moved: Remark = (None, {"moved_service": "search, of vectors 8.72 (0 on average before)"})
    (one,) = found(failing("cost", ":table", range(2, 4), "costs"), remarks={("cost", ":table"): moved})

    assert (one.column, one.title) == ("search, of vectors", "cost of search, of vectors is beyond what is allowed")
    assert [cause.sentence for cause in one.causes] == ["Service search, of vectors cost 8.720; nothing before: it is new."]


@pytest.mark.parametrize(
    ("named", "stands_out"),
    [
        ("a 30 of 100, b 1 of 100", True),
        ("a 30 of 100", True),
        ("a 30 of 100, b 29 of 100", False),
        ("a 5 of 14, b 2 of 14", False),  # 12 hosts with a few requests each: chance
        ("a 270 of 600, b 1 of 1", True),  # one request says nothing of b
    ],
)
def test_what_fails_by_chance_does_not_stand_out(named: str, stands_out: bool) -> None:
    assert [cause.kind for cause in part_causes((None, {"failing_endpoints": named}))] == ["endpoint"] * stands_out


def test_a_machine_that_serves_one_endpoint_alone_is_not_named_for_it() -> None:
    details = {"failing_endpoints": "rank 30 of 100, score 1 of 900", "failing_hosts": "h9 30 of 100, h1 1 of 300"}
    assert [cause.what for cause in part_causes((None, details))] == ["endpoint rank"]
    details = {"failing_endpoints": "rank 3 of 100, score 27 of 900", "failing_hosts": "h9 30 of 100, h1 1 of 300"}
    assert [cause.what for cause in part_causes((None, details))] == ["host h9"]


def test_what_changed_in_a_schema_and_which_run_failed_are_causes() -> None:
    changes = "added seg_v2 (string), 2025-03-30 04:00:00 UTC by delta-rs"
    (cause,) = part_causes((None, {"changes": changes}))
    assert (cause.what, cause.sentence) == ("the schema: added seg_v2 (string)", f"The schema changed: {changes}.")
    retrained = {"changed_schema": "amount from double to string; added tenure (double)"}
    assert [cause.what for cause in part_causes((None, retrained))] == ["the schema: amount from double to string"]
    assert [one.what for one in part_causes((None, {"first_failure": "T"}))] == ["the run that failed T"]
