"""A business number that fails because a column that it reads broke is no second incident; one that fails for itself is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.incident import incident
from spark_monitor.diagnosis.kpis import Ingredients, with_custom_metrics
from spark_monitor.diagnosis.problems import Problem

CENTS = Finding("unit_change", "values are 100 times the baseline's", "another unit", factor=100.0)
MADE = {"revenue": Ingredients(frozenset({"amount"})), "conversion": Ingredients(labels=True)}


def kpi(name: str = "revenue", *, start: int = 5, **about: str) -> Problem:
    check = Failing(name, name, family="custom", column=None, value=31.5, expected="<= 0.4", **about)
    return Problem([Episode(DRIFT, [of_checks(check, start=start, end=start + 1, track="values", name=name)])], "performance")


def column(name: str = "Amount", finding: Finding = CENTS, *, start: int = 5, lasts: int = 1) -> Problem:
    check = Failing("w", "ks", column=name, value=0.5)
    groups = [of_checks(check, start=start + one, end=start + one + 1, track="values", name=name) for one in range(lasts)]
    return Problem([Episode(finding, groups)], finding.kind)


def trouble(metric: str, track: str, kind: str, *, start: int = 5) -> Problem:
    check = Failing("t", metric, family="quality", column=":table" if track != "model" else None, value=0.5)
    return Problem([Episode(DRIFT, [of_checks(check, start=start, end=start + 1, track=track, name=":table")])], kind)


def test_a_business_number_that_reads_a_broken_column_is_part_of_that_incident() -> None:
    broken, moved = column(), kpi()

    assert with_custom_metrics([broken, moved], MADE) == [broken]
    one = incident(broken, monitor_id="m")
    assert (one.kind, one.column, one.occurrences, one.checks) == ("unit_change", "Amount", 1, 2)
    assert one.diagnosis.startswith("Amount: values are 100 times the baseline's since")
    assert "; revenue is up to 31.5 (allowed: <= 0.4)." in one.diagnosis


@pytest.mark.parametrize("finding", [CENTS, DRIFT])
def test_one_that_begins_to_fail_while_the_column_is_broken_is_too_and_while_it_drifts_is_not(finding: Finding) -> None:
    broken, moved = column(finding=finding, start=3, lasts=2), kpi()

    assert (with_custom_metrics([broken, moved], MADE) == [broken]) is finding.is_fault


def test_one_that_fails_for_itself_is_an_incident_of_its_own() -> None:
    """Another column, another time, rows of another value of the slice's key, or a metric of which nothing is known."""
    in_slice = column()
    in_slice.slice = ("store", "a")
    elsewhere = kpi(slice_key="store", slice_value="b")
    elsewhere.slice = ("store", "b")
    for cause, moved in ((column("weight"), kpi()), (column(start=6), kpi()), (in_slice, elsewhere), (column(), kpi("other"))):
        assert with_custom_metrics([cause, moved], MADE) == [cause, moved]
    assert with_custom_metrics([in_slice, moved := kpi()], MADE) == [in_slice], moved


def test_one_that_fails_with_lost_rows_is_part_of_these_unless_it_lasts() -> None:
    for kpi_lasts, alone in ((1, False), (2, True)):
        lost, moved = trouble("row_count_ratio", "rows", "lost_rows"), kpi("other")
        moved.main.groups.extend(replace(moved.main.first, start=5 + more, end=6 + more) for more in range(1, kpi_lasts))
        assert (with_custom_metrics([lost, moved], MADE) == [lost, moved]) is alone


def test_one_of_labels_follows_other_labels_and_a_model_that_does_worse_and_no_other_does() -> None:
    for metric, track, kind in (("label_shift", "values", "drift"), ("roc_auc_score", "model", "performance")):
        cause = trouble(metric, track, kind)
        cause.main.groups[0] = replace(
            cause.main.groups[0], name=metric, failing=(replace(cause.main.first.failing[0], column=None, family=track),)
        )
        assert with_custom_metrics([cause, kpi("conversion")], MADE) == [cause], metric
        assert len(with_custom_metrics([cause, kpi("revenue")], MADE)) == 2, metric


def test_two_of_one_column_that_fail_together_are_one() -> None:
    made = {**MADE, "revenue_per_visit": MADE["revenue"]}
    first, second, third = kpi(), kpi("revenue_per_visit"), kpi("revenue_per_visit", start=6)

    assert with_custom_metrics([first, second], made) == [second]
    assert with_custom_metrics([first, third], made) == [first, third]
