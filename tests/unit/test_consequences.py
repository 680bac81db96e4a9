"""A model's fall belongs to the input that broke in the same window; answers that move belong to the fall."""

from __future__ import annotations

from dataclasses import replace

from spark_monitor.diagnosis.causes import causes_of
from spark_monitor.diagnosis.consequences import with_consequences
from spark_monitor.diagnosis.episodes import Episode, episodes
from spark_monitor.diagnosis.falls import Fall, Score
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import WELL, Failing, of_checks
from spark_monitor.diagnosis.incident import incident
from spark_monitor.diagnosis.problems import Problem

MISSING = Finding("missing", "100.0 % of its values are missing")


def problem(check: Failing, finding: Finding = DRIFT, kind: str = "drift", *, start: int = 5) -> Problem:
    name = check.column or ":table"
    return Problem([Episode(finding, [of_checks(check, start=start, end=start + 1, name=name)])], kind)


def auc(start: int = 5) -> Problem:
    check = Failing("m", "roc_auc_score", family="model", value=0.6, expected=">= 0.7")
    return problem(check, kind="performance", start=start)


def fallen(estimated: float) -> Fall:
    return Fall("roc_auc_score", True, Score(0.6, 900), Score(0.8, 900), estimated_now=estimated, estimated_before=0.8)


def wind(finding: Finding = DRIFT, kind: str = "drift", start: int = 5) -> Problem:
    return problem(Failing("w", "ks", column="wind", value=0.5), finding, kind, start=start)


def test_a_fall_that_begins_with_a_broken_column_is_that_incident() -> None:
    broken, fall = wind(MISSING, "missing"), auc()

    kept, explained = with_consequences([broken, fall], {})

    assert kept == [broken]
    assert explained == {id(broken): fall}
    told = incident(broken, monitor_id="m", causes=causes_of(fall, [broken, fall], None))
    assert (told.kind, told.column, [cause.what for cause in told.causes]) == ("missing", "wind", ["wind"])
    assert told.diagnosis.startswith("wind: 100.0 % of its values are missing since")
    assert "roc_auc_score is down to 0.600 (allowed: >= 0.7)" in told.diagnosis


def test_a_fall_at_another_time_is_an_incident_of_its_own() -> None:
    for start in (2, 6):
        broken, fall = wind(MISSING, "missing", start=start), auc()
        assert with_consequences([broken, fall], {})[0] == [broken, fall], start


def test_a_fall_in_a_window_in_which_the_broken_column_is_well_is_an_incident_of_its_own() -> None:
    """A column fails in window 3, is well in 5 (and resolved in 6 at the earliest), and in 4 nobody can say."""
    failing = of_checks(Failing("w", "ks", column="wind", value=0.5), start=3, end=4, name="wind")
    groups = [failing, replace(failing, start=5, end=6, state=WELL, failing=())]
    windows = {"1 week": [(start, start + 1) for start in range(8)]}
    for fallen, alone in ((4, True), (5, False)):
        (broken,) = episodes(groups, windows, {(failing.subject, 3): MISSING})
        cause, fall = Problem([broken], "missing"), auc(fallen)
        assert (with_consequences([cause, fall], {})[0] == [cause]) is alone, fallen


def test_a_fall_soon_after_a_column_broke_is_that_incident() -> None:
    broken, fall = wind(MISSING, "missing", start=4), auc()

    assert with_consequences([broken, fall], {})[0] == [broken]


def test_a_fall_soon_after_a_column_jumped_is_that_incident_and_one_while_it_drifts_by_and_by_is_not() -> None:
    jump, slow = replace(DRIFT, abrupt=True), DRIFT
    for finding, start, alone in ((jump, 4, True), (jump, 2, False), (slow, 4, False)):
        drifting = wind(finding, start=start)
        assert (with_consequences([drifting, auc()], {})[0] == [drifting]) is alone, (finding.abrupt, start)


def test_a_fall_of_one_version_does_not_follow_from_what_broke_in_another_too_that_does_well() -> None:
    def of_versions(one: Problem, failing: tuple[str | None, ...], well: tuple[str | None, ...] = ()) -> Problem:
        one.episodes[0].groups[0] = replace(one.main.first, versions_failing=failing, versions_well=well)
        return one

    for broken_in, well, alone in (
        (("1", "2"), ("2",), False),
        (("1", "2"), (), True),
        (("1",), ("2",), True),
        ((None,), (None,), True),
    ):
        broken = of_versions(wind(MISSING, "missing", start=4), broken_in)
        fall = of_versions(auc(), ("1",), well)
        assert (with_consequences([broken, fall], {})[0] == [broken]) is alone, (broken_in, well)


def test_what_is_broken_in_a_version_that_does_well_is_not_the_first_cause_of_another_versions_fall() -> None:
    for well, first in (((), "column"), (("2",), "concept")):
        broken, fall = wind(MISSING, "missing"), auc()
        broken.episodes[0].groups[0] = replace(broken.main.first, versions_failing=("1", "2"))
        fall.episodes[0].groups[0] = replace(fall.main.first, versions_failing=("1",), versions_well=well)
        assert next(cause.kind for cause in causes_of(fall, [broken, fall], fallen(0.8))) == first


def test_a_fall_that_a_slice_has_no_part_in_does_not_follow_from_what_broke_there() -> None:
    for place, alone in (("MQ", True), ("UA", False)):
        broken = wind(MISSING, "missing", start=4)
        broken.slice = ("carrier", "MQ")
        check = Failing("m", "roc_auc_score", "model", None, "carrier", place, value=0.6, expected=">= 0.7")
        fall = problem(check, kind="performance", start=5)
        assert (with_consequences([broken, fall], {})[0] == [broken]) is alone, place


def test_a_fall_that_a_slice_without_checks_of_its_own_takes_part_in_follows_from_what_broke_there() -> None:
    """The slice is too small to be judged, but its numbers fell as far as those of all rows."""
    for value, alone in ((0.55, True), (0.79, False)):
        broken = wind(MISSING, "missing", start=4)
        broken.slice = ("carrier", "MQ")
        fall = auc()
        small = {("carrier", "MQ"): Score(value, 60), ("carrier", "UA"): Score(0.8, 840)}
        before = {("carrier", "MQ"): Score(0.8, 60), ("carrier", "UA"): Score(0.8, 840)}
        numbers = replace(fallen(0.8), slices_now=small, slices_before=before)
        assert (with_consequences([broken, fall], {id(fall): numbers})[0] == [broken]) is alone, value


def test_a_fall_follows_from_drift_where_it_is_sudden_or_makes_one_expect_it() -> None:
    for estimated, alone in ((0.62, True), (0.79, False)):
        drift, fall = wind(), auc()
        kept, _ = with_consequences([drift, fall], {id(fall): fallen(estimated)})
        assert (kept == [drift]) is alone
    sudden, fall = wind(replace(DRIFT, abrupt=True)), auc()
    assert with_consequences([sudden, fall], {id(fall): fallen(0.79)})[0] == [sudden]


def test_a_fall_of_one_slice_does_not_follow_from_drift_of_all_rows_however_sudden() -> None:
    before = {("plan", "basic"): Score(0.8, 600), ("plan", "gold"): Score(0.8, 300)}
    for basic, gold, alone in ((0.6, 0.6, True), (0.79, 0.22, False)):
        drifted, fall = wind(replace(DRIFT, abrupt=True)), auc()
        now = {("plan", "basic"): Score(basic, 600), ("plan", "gold"): Score(gold, 300)}
        numbers = replace(fallen(0.79), slices_now=now, slices_before=before)
        assert (with_consequences([drifted, fall], {id(fall): numbers})[0] == [drifted]) is alone, gold


def test_answers_that_move_about_when_the_model_falls_are_part_of_it() -> None:
    early = problem(Failing("p", "ks", column="score", value=0.4), start=4)
    late = problem(Failing("q", "ks", column="score", value=0.4), start=9)
    fall = auc()

    kept, _ = with_consequences([early, fall, late], {}, outputs={"score"})

    assert kept == [fall, late]
    told = incident(fall, monitor_id="m")
    assert (told.kind, told.column, told.opened, len(told.members)) == ("performance", None, 5, 2)
    assert told.diagnosis.startswith("roc_auc_score is down to 0.6")


def test_a_column_that_was_off_long_before_is_no_cause() -> None:
    old, fall = wind(MISSING, "missing", start=1), auc()
    old.episodes[0].groups.append(of_checks(Failing("w", "ks", column="wind", value=0.5), start=5, end=6, name="wind"))

    assert causes_of(fall, [old, fall], None) == []


def test_labels_that_turn_in_one_slice_are_part_of_the_fall_there_and_else_its_cause() -> None:
    """Turned labels of a third of the rows move the rate of all: that is a symptom. Another rate everywhere is the cause."""
    now = {("plan", "basic"): Score(0.79, 600), ("plan", "gold"): Score(0.22, 300)}
    before = {("plan", "basic"): Score(0.8, 600), ("plan", "gold"): Score(0.8, 300)}
    even = {("plan", "basic"): Score(0.6, 600), ("plan", "gold"): Score(0.6, 300)}
    for slices, kind in ((now, "performance"), (even, "drift")):
        check = Failing("l", "label_shift", family="drift", value=0.2)
        labels = Problem([Episode(DRIFT, [of_checks(check, start=5, end=6, name="label_shift")])], "drift")
        fall = auc()
        numbers = replace(fallen(0.79), slices_now=slices, slices_before=before)

        kept, _ = with_consequences([labels, fall], {id(fall): numbers})

        assert [(one.kind, len(one.episodes)) for one in kept] == [(kind, 2)]


def test_a_fall_with_answers_that_are_broken_is_that_incident_and_with_answers_that_move_takes_these() -> None:
    stuck, fall = wind(Finding("stuck", "its value is always 0.5"), "stuck"), auc()
    assert with_consequences([stuck, fall], {}, outputs={"wind"})[0] == [stuck]

    moved, fall = wind(), auc()
    assert with_consequences([moved, fall], {}, outputs={"wind"})[0] == [fall]


def test_a_fall_in_one_slice_of_one_version_follows_from_the_column_that_is_broken_there_in_both() -> None:
    """All rows of the other version are well: that says nothing of the slice, whose own check nobody could decide."""
    place = {"slice_key": "plan", "slice_value": "gold"}
    for spared in (False, True):
        broken = Failing("w", "ks", column="wind", value=0.5, version="1", **place)
        cause = problem(broken, Finding("unit_change", "values are 60 times the baseline's", factor=60.0), "unit_change")
        cause.slice = ("plan", "gold")
        cause.episodes[0].groups[0] = replace(cause.main.first, versions_failing=("1", "2"))
        check = Failing("m", "accuracy_score", family="model", value=0.6, version="1", **({} if spared else place))
        fall = problem(check, kind="performance", start=6)
        fall.episodes[0].groups[0] = replace(fall.main.first, versions_well=("2",))

        kept, _ = with_consequences([cause, fall], {})

        assert kept == ([cause, fall] if spared else [cause])
        assert incident(fall, monitor_id="m").kind == ("version" if spared else "performance")
