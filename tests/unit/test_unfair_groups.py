"""A group that is treated less fairly: the answers that move for it are part of that, and said first."""

from __future__ import annotations

from dataclasses import replace

from spark_monitor.diagnosis.causes import causes_of
from spark_monitor.diagnosis.consequences import with_consequences
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.incident import incident
from spark_monitor.diagnosis.problems import Problem

UNFAIR = Finding("fairness", "it is treated less fairly")
PL = ("lang", "pl")


def unfair(start: int = 5) -> Problem:
    """The groups tr and pl fail, the first by little."""
    about = {"family": "fairness", "slice_key": "lang", "expected": ">= 0.8"}
    checks = tuple(
        Failing(name, "demographic_parity_ratio", slice_value=name, value=at, **about) for name, at in (("tr", 0.7), ("pl", 0.1))
    )
    group = of_checks(checks[0], start=start, end=start + 1, name=":table")
    return Problem([Episode(UNFAIR, [replace(group, failing=checks, checks=2)])], "fairness", slice=PL)


def moved(column: str, place: tuple[str | None, str | None], start: int = 5) -> Problem:
    check = Failing(f"k{column}", "ks", column=column, slice_key=place[0], slice_value=place[1], value=0.6)
    return Problem([Episode(DRIFT, [of_checks(check, start=start, end=start + 1, name=column)])], "drift", slice=place)


def test_a_score_that_moves_for_the_group_is_part_of_the_incident_and_its_first_cause() -> None:
    fairness, score = unfair(), moved("p", PL)

    kept, _ = with_consequences([score, fairness], {}, outputs=["p"])
    found = incident(fairness, monitor_id="m", causes=causes_of(fairness, kept, None, outputs=["p"]), outputs=["p"])

    assert kept == [fairness]
    assert (found.kind, found.column, found.checks) == ("fairness", None, 3)
    (cause,) = found.causes
    assert (cause.what, cause.sentence.endswith("where lang = pl.")) == ("p", True)


def test_a_score_that_moves_for_others_or_at_another_time_is_an_incident_of_its_own() -> None:
    for other in (moved("p", ("lang", "en")), moved("p", PL, start=9), moved("price", PL)):
        fairness = unfair()
        assert with_consequences([other, fairness], {}, outputs=["p"])[0] == [other, fairness]


def test_a_feature_that_drifts_in_the_same_window_is_named_as_a_cause() -> None:
    fairness, feature = unfair(), moved("price", PL)
    assert [cause.what for cause in causes_of(fairness, [feature, fairness], None, outputs=["p"])] == ["price"]


def test_the_first_member_is_of_the_slice_that_the_incident_is_in() -> None:
    """By its check the report draws its picture, and `explain` its trend."""
    found = incident(unfair(), monitor_id="m")
    assert [one.check_id for one in found.members] == ["pl", "tr"]
