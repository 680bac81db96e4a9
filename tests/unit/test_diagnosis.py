"""Faults planted in made tables are one incident each, of the right kind, column, slice and onset."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_monitor.catalogue.metric import quality_metric
from spark_monitor.config.rules import RuleConfig
from spark_monitor.diagnosis.carried import Earlier, earlier_of, recomputed_from, status_of
from spark_monitor.diagnosis.diagnose import incidents
from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.findings import KINDS
from spark_monitor.diagnosis.groups import WHOLE, Failing, Key, Slice, of_checks
from spark_monitor.diagnosis.incident import Incident, with_version
from spark_monitor.diagnosis.sentences import TITLES, _farthest
from spark_monitor.errors import MonitorError
from spark_monitor.rules.reasons import reason
from spark_monitor.rules.verdicts import Measurement, ruling
from spark_monitor.stages.diagnose import row_of
from tests.planted import FIRST, WEEK, WEEKS, diagnosed, planted, start, table

COLUMNS = ("speed", "temp", "price", "seats", "pressure", "origin", "carrier")
JFK: Slice = ("origin", "JFK")
B6: Slice = ("carrier", "B6")
Change = Callable[["pd.Series[Any]"], Any]

ROTATED = {"AA": "B6", "B6": "DL", "DL": "UA", "UA": "AA"}


def often(values: pd.Series[Any], value: float, share: float = 0.3) -> pd.Series[Any]:
    return values.where(np.random.default_rng(5).random(len(values)) > share, value)


def noise(size: int) -> Any:
    return np.exp(np.random.default_rng(3).normal(0.5, 0.5, size))


PLANTINGS: dict[str, tuple[str, Change, range, Slice, str, float | None]] = {
    "miles to kilometres": ("speed", lambda v: v * 1.609344, range(6, WEEKS), WHOLE, "unit_change", 1.609344),
    "kilometres to miles in a slice": ("speed", lambda v: v / 1.609344, range(6, WEEKS), JFK, "unit_change", 1 / 1.609344),
    "dollars to cents": ("price", lambda v: v * 100, range(6, WEEKS), WHOLE, "unit_change", 100.0),
    "thousandths": ("pressure", lambda v: v / 1000, range(6, WEEKS), WHOLE, "unit_change", 0.001),
    "Celsius to Fahrenheit": ("temp", lambda v: v * 1.8 + 32, range(6, WEEKS), WHOLE, "unit_change", 1.8),
    "sign flipped": ("pressure", lambda v: -v, range(6, WEEKS), WHOLE, "unit_change", -1.0),
    "missing": ("price", lambda v: np.nan, range(6, 8), WHOLE, "missing", None),
    "missing in a slice": ("temp", lambda v: np.nan, range(6, 7), JFK, "missing", None),
    "half missing in a slice": ("temp", lambda v: often(v, np.nan, 0.5), range(6, WEEKS), B6, "missing", None),
    "missing texts": ("carrier", lambda v: None, range(6, 9), WHOLE, "missing", None),
    "stuck": ("pressure", lambda v: 1009.25, range(6, WEEKS), WHOLE, "stuck", None),
    "stuck in a slice": ("temp", lambda v: 3.5, range(6, WEEKS), JFK, "stuck", None),
    "sentinel": ("temp", lambda v: often(v, -999.0), range(6, WEEKS), WHOLE, "sentinel", None),
    "sentinel in a slice": ("price", lambda v: often(v, 9999.0, 0.6), range(6, WEEKS), B6, "sentinel", None),
    "sentinel in every row": ("price", lambda v: -999.0, range(6, WEEKS), WHOLE, "sentinel", None),
    "sentinel in every row of a slice": ("price", lambda v: -1.0, range(6, WEEKS), B6, "sentinel", None),
    "exchanged categories": ("carrier", lambda v: v.map(ROTATED), range(6, WEEKS), WHOLE, "encoding_swap", None),
    "new names": ("carrier", lambda v: v.str.lower(), range(6, WEEKS), WHOLE, "encoding_swap", None),
    "unseen category": ("carrier", lambda v: v.where(v != "AA", "ZZ"), range(6, WEEKS), JFK, "unseen_category", None),
    "a shift": (
        "price",
        lambda v: v * noise(len(v)),
        range(6, WEEKS),
        WHOLE,
        "drift",
        None,
    ),
    "a shift in a slice": ("pressure", lambda v: v + 6, range(6, WEEKS), JFK, "drift", None),
}


AT_ONCE = {
    "miles to kilometres",
    "Celsius to Fahrenheit",
    "sign flipped",
    "missing",
    "half missing in a slice",
    "stuck in a slice",
}
AT_ONCE |= {"sentinel", "sentinel in every row of a slice", "exchanged categories", "unseen category", "a shift"}
"""A planting of every kind; the others are slow."""


@pytest.mark.parametrize("name", [pytest.param(one, marks=[] if one in AT_ONCE else pytest.mark.slow) for one in PLANTINGS])
def test_a_planted_fault_is_one_incident_of_its_kind(name: str) -> None:
    column, change, weeks, where, kind, factor = PLANTINGS[name]
    rows = planted(column, change, weeks=weeks, where=where)
    # A slice key that is broken itself cannot say where.
    watched = [one for one in COLUMNS if one != "carrier" or column == "carrier"]

    found = diagnosed(rows, watched).only

    assert (found.kind, found.column) == (kind, column), found.diagnosis
    assert found.opened == start(6)
    assert found.last_seen == start(weeks.stop)
    assert where in (found.slice, ("carrier", "ZZ"), WHOLE if column == "carrier" else where)
    assert found.versions == ("1", "2")
    assert "2013-02-12" in found.diagnosis
    if factor is not None:
        assert f"{factor:.4g}"[:5] in found.diagnosis or factor == -1.0
        assert found.diagnosis.count("another unit") + found.diagnosis.count("sign") >= 1
        assert found.title.startswith(f"{column} {'has flipped signs' if factor == -1.0 else 'is in another unit'}")
    if where != WHOLE and kind != "drift" and column != "carrier":
        assert found.slice == where


@pytest.mark.parametrize(
    ("column", "change", "kind"),
    [
        ("price", lambda v: often(v, -999.0, 0.7), "sentinel"),
        ("temp", lambda v: often(v, np.nan, 0.6), "missing"),
        ("pressure", lambda v: v + 40, "drift"),
        ("pressure", lambda v: 1009.25, "stuck"),
    ],
)
def test_a_fault_of_one_slice_is_placed_there_though_slices_are_too_small_for_their_rules(
    column: str, change: Change, kind: str
) -> None:
    rows = planted(column, change, weeks=range(6, WEEKS), where=JFK)

    found = diagnosed(rows, [column], judged=()).only

    assert (found.kind, found.column, found.slice) == (kind, column, JFK), found.diagnosis


def test_a_fault_of_all_rows_is_placed_in_no_slice_though_slices_are_too_small_for_their_rules() -> None:
    for column, change in (("speed", lambda v: v * 1.609344), ("temp", lambda v: often(v, -999.0)), ("price", lambda v: v + 40)):
        found = diagnosed(planted(column, change, weeks=range(6, WEEKS)), [column], judged=()).only
        assert found.slice == WHOLE, found.diagnosis


def test_nothing_planted_is_no_incident() -> None:
    assert diagnosed(table(3), COLUMNS).incidents == []


def test_columns_that_are_missing_together_have_one_cause_further_up() -> None:
    rows = table(2)
    wrong = (rows["week"] >= 6) & (rows["origin"] == "LGA")
    rows.loc[wrong, ["speed", "temp", "price"]] = np.nan

    found = diagnosed(rows, COLUMNS).only

    assert (found.kind, found.column, found.slice) == ("upstream", None, ("origin", "LGA"))
    assert found.columns == ("price", "speed", "temp")
    assert found.opened == start(6)


def test_what_a_part_of_all_rows_shows_is_in_no_slice_in_which_another_column_begins_to_fail_alike() -> None:
    """Two columns that lose values in one window, one everywhere and one where carrier = B6, have not one cause."""
    rows = planted("price", lambda v: often(v, np.nan, 0.6), weeks=range(6, 9))
    lost = rows["week"].isin(range(6, 9)) & (rows["carrier"] == "B6")
    rows.loc[lost, "seats"] = often(rows.loc[lost, "seats"].astype(float), np.nan, 0.5)

    found = diagnosed(rows, ["price", "seats"]).incidents

    assert [(one.kind, one.column, one.slice) for one in found] == [("missing", "price", WHOLE), ("missing", "seats", B6)]


def test_a_slice_that_grows_is_a_shift_of_the_mix() -> None:
    rows = table(4)
    rows["temp"] += np.where(rows["origin"] == "LGA", 25.0, 0.0)
    grown = rows[(rows["week"] >= 7) & (rows["origin"] == "LGA")]
    rows = pd.concat([rows, grown, grown, grown, grown], ignore_index=True)

    found = diagnosed(rows, COLUMNS).only

    assert found.kind == "mix_shift"
    assert found.opened == start(7)
    assert "origin = LGA from 2" in found.diagnosis


def test_a_fault_in_a_column_that_had_drifted_is_an_incident_of_its_own() -> None:
    rows = planted("speed", lambda v: v * 1.609344, weeks=range(9, WEEKS))
    drifted = rows["week"].between(3, 8)
    rows.loc[drifted, "speed"] = np.round((rows.loc[drifted, "speed"] + 4) / 1.15078) * 1.15078

    drift, fault = diagnosed(rows, COLUMNS).incidents

    assert (drift.kind, drift.opened, drift.resolved) == ("drift", start(3), start(9))
    assert (fault.kind, fault.opened, fault.resolved) == ("unit_change", start(9), None)


def model_check(
    week: int, value: float, *, version: str = "1", metric: str = "roc_auc_score", verdict: str = "FAIL", **about: Any
) -> dict[str, Any]:
    window = {"start": start(week), "end": start(week + 1), "model_version": version, "slice_key": None, "slice_value": None}
    told = {
        "metric": metric,
        "family": "model",
        "column_name": ":table",
        "value": value,
        "verdict": verdict,
        "expected": ">= 0.7",
    }
    return {**window, **told, **about}


def test_a_fall_in_one_version_alone_is_about_the_version() -> None:
    rows = [model_check(week, 0.6, version="2") for week in range(5, 9)]
    rows += [model_check(week, 0.8, version="1", verdict="PASS") for week in range(WEEKS)]
    rows += [model_check(week, 0.8, version="2", verdict="PASS") for week in (0, 1, 2, 3, 4, 9, 10)]

    found = diagnosed(table(1), (), extra=rows).only

    assert (found.kind, found.versions, found.opened, found.resolved) == ("version", ("2",), start(5), start(11))
    assert "version 2 alone" in found.diagnosis
    assert [(cause.kind, cause.what) for cause in found.causes[:1]] == [("version", "version 2")]
    assert "first cause to look at is version" not in found.diagnosis


def test_the_version_that_does_worse_comes_before_all_causes_but_a_broken_column() -> None:
    group = of_checks(Failing("m", "roc_auc_score", family="model", version="2", value=0.6), start=5, end=6, versions_well=("1",))
    column, concept = Cause("column", "wind", 1.0, "wind: missing."), Cause("concept", "the relation", None, "Concept.")
    assert [one.kind for one in with_version("version", [group], [concept])] == ["version", "concept"]
    assert [one.kind for one in with_version("version", [group], [column, concept])] == ["column", "version", "concept"]
    assert with_version("performance", [group], [concept]) == [concept]
    (cause,) = with_version("version", [group], [])
    assert cause.sentence == "Version 2 alone: version 1, in the same windows, does well or surely better."


def test_metrics_of_one_model_that_fall_together_are_one_incident() -> None:
    rows = [model_check(week, 0.6, metric=metric) for week in (5, 6) for metric in ("roc_auc_score", "log_loss", "f1_score")]

    found = diagnosed(table(1), (), extra=rows).only

    assert (found.kind, found.checks, found.occurrences) == ("performance", 3, 2)


@pytest.mark.parametrize(
    ("metric", "family", "dataset", "kind"),
    [
        ("row_count_ratio", "quality", "predictions", "lost_rows"),
        ("count", "profile", "predictions", "lost_rows"),
        ("freshness_hours", "quality", "predictions", "lost_rows"),
        ("duplicated_window", "quality", "predictions", "duplicated_window"),
        ("version_share", "quality", "predictions", "version"),
        ("columns_missing", "quality", "predictions", "schema_change"),
        ("late_rows_percent", "quality", "predictions", "late_data"),
        ("label_coverage", "model", "predictions", "late_data"),
        ("demographic_parity_difference", "fairness", "predictions", "fairness"),
        ("latency_p95", "system", "operations", "service"),
        ("step_failures", "pipeline", "pipelines", "pipeline"),
        ("budget_used_percent", "cost", "costs", "cost"),
        ("revenue", "custom", "predictions", "performance"),
        ("reconstruction_error", "drift", "predictions", "drift"),
        ("label_shift", "drift", "predictions", "drift"),
    ],
)
def test_what_belongs_to_no_column_has_the_kind_of_its_metric(metric: str, family: str, dataset: str, kind: str) -> None:
    rows = [model_check(4, 1.5, metric=metric, family=family, dataset=dataset, expected="<= 1")]

    found = diagnosed(table(1), (), extra=rows).only

    assert (found.kind, found.dataset, found.opened, found.runbook) == (kind, dataset, start(4), f"docs/runbooks/{kind}.md")


def story(letters: str) -> list[tuple[int, int | None, int]]:
    """Opened, resolved in weeks, and how often one series failed; F fails, P passes, U cannot be decided, . is not there."""
    verdicts = {"F": "FAIL", "P": "PASS", "U": "UNDECIDED", "W": "WARN", "N": "NO_DATA"}
    rows = [model_check(week, 0.6, verdict=verdicts[letter]) for week, letter in enumerate(letters) if letter != "."]
    return [
        ((one.opened - FIRST) // WEEK, None if one.resolved is None else (one.resolved - FIRST) // WEEK, one.occurrences)
        for one in diagnosed(table(1), (), extra=rows).incidents
    ]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("PPFPP", [(2, 5, 1)]),
        ("PPFPFPP", [(2, 7, 2)]),
        ("FUPUP", [(0, 5, 1)]),
        ("FPPFPP", [(0, 3, 1), (3, 6, 1)]),
        ("PPPPPPPPPPPPFW", [(12, None, 1)]),
        ("FNNNN", [(0, 13, 1)]),
        ("FUUUUUUUUF", [(0, None, 2)]),
        ("F............F", [(0, 13, 1), (13, None, 1)]),
        ("PPPPPPPPPPFFFF", [(10, None, 4)]),
    ],
)
def test_an_incident_opens_once_and_is_resolved_once(letters: str, expected: list[tuple[int, int | None, int]]) -> None:
    assert story(letters) == expected


def one_incident(opened: int = 0, resolved: int | None = None, **about: Any) -> Incident:
    group = of_checks(Failing("c", "ks", column="a"), start=opened, end=opened + 1, keys=(Key(None, 1, 0),))
    found = incidents([group], {}, {}, monitor_id="m")[0]
    return replace(found, resolved=resolved, **about)


def test_what_people_did_is_carried_over_even_where_the_beginning_moved() -> None:
    incident = one_incident(opened=1)
    earlier = Earlier("other", "predictions", "a", WHOLE, "drift", 0, 3, acknowledged_by="ada", muted_until=10, notified_at=2)

    assert earlier_of(incident, [earlier]) == earlier
    assert status_of(incident, earlier, as_of=5) == "MUTED"
    assert status_of(incident, earlier, as_of=10) == "ACKNOWLEDGED"
    assert status_of(replace(incident, resolved=4), earlier, as_of=5) == "RESOLVED"
    assert status_of(incident, None, as_of=5) == "OPEN"
    assert earlier_of(incident, [replace(earlier, column="b")]) is None


def test_when_an_incident_was_found_is_noted_once() -> None:
    incident = one_incident(opened=1)
    assert row_of(incident, None, as_of=9, before=7)[-2:] == (9, 7)
    earlier = Earlier("other", "predictions", "a", WHOLE, "drift", 0, 3, detected=5, undetected_until=4)
    assert row_of(incident, earlier, as_of=9, before=7)[-2:] == (5, 4)
    assert row_of(incident, replace(earlier, detected=None, undetected_until=None), as_of=9, before=7)[-2:] == (None, None)


def test_any_cut_of_a_history_gives_the_same_incidents() -> None:
    """Runs that see a few more windows each, and compute from the earliest incident that they reach, end where one does."""
    dice = random.Random(11)
    for _ in range(60):
        verdicts = {column: dice.choices(["FAIL", "PASS", "UNDECIDED"], [3, 5, 2], k=WEEKS) for column in ("a", "b")}
        rows = [
            model_check(week, 0.5, metric=column, family="custom", verdict=verdict)
            for column, series in verdicts.items()
            for week, verdict in enumerate(series)
        ]
        whole = {one.incident_id: one for one in of_rows(rows)}
        assert by_runs(rows, sorted(dice.sample(range(1, WEEKS), 4))) == whole


def test_any_cut_of_a_history_of_slices_gives_the_same_incidents() -> None:
    """So do slices that fail while all rows do not, and numbers that are surely not what failed."""
    dice = random.Random(12)
    for _ in range(60):
        rows = []
        for key, value, weights in ((None, None, [1, 3, 4]), ("origin", "JFK", [2, 1, 5]), ("origin", "LGA", [2, 1, 5])):
            for week, verdict in enumerate(dice.choices(["FAIL", "PASS", "UNDECIDED"], weights, k=WEEKS)):
                reached = 0.5 if verdict == "FAIL" else dice.uniform(0.55, 0.8)
                interval = {"lower": reached - 0.1 * dice.random(), "upper": reached + 0.1 * dice.random()}
                about = {"slice_key": key, "slice_value": value, "family": "custom", "expected": ">= 0.6"}
                rows.append(model_check(week, reached, metric="share", verdict=verdict, **about, **interval))
        whole = {one.incident_id: one for one in of_rows(rows)}
        assert by_runs(rows, sorted(dice.sample(range(1, WEEKS), 4))) == whole


def of_rows(rows: list[dict[str, Any]], since: int = 0) -> list[Incident]:
    from tests.planted import _named, groups_of

    groups = [group for group in groups_of(map(_named, rows)) if group.start >= since]
    last = max(row["end"] for row in rows)
    windows = {"1 week": [(start(week), start(week + 1)) for week in range(WEEKS) if start(week + 1) <= last]}
    return incidents(groups, windows, {}, monitor_id="m")


def by_runs(rows: list[dict[str, Any]], cuts: list[int]) -> dict[str, Incident]:
    stored: dict[str, Incident] = {}
    before = 0
    for cut in [*cuts, WEEKS]:
        known = [
            Earlier(one.incident_id, one.dataset, one.column, one.slice, one.kind, one.opened, one.last_seen, one.resolved)
            for one in stored.values()
        ]
        since = recomputed_from(start(before), known)
        kept = {name: one for name, one in stored.items() if one.resolved is not None and one.resolved <= since}
        fresh = of_rows([row for row in rows if row["start"] < start(cut)], since)
        stored = kept | {one.incident_id: one for one in fresh}
        before = cut
    return stored


def test_every_kind_has_a_title_and_a_runbook() -> None:
    pages = {path.stem for path in (Path(__file__).parents[2] / "docs" / "runbooks").glob("*.md")}
    assert set(TITLES) == set(KINDS)
    assert set(KINDS) <= pages


def test_endpoints_that_fail_with_all_of_them_are_one_incident() -> None:
    whole = of_checks(
        Failing("all", "latency_p95", family="system", value=9.0), name=":table", dataset="operations", start=5, end=6
    )
    parts = [
        of_checks(
            Failing(name, "latency_p95", family="system", column=name, value=9.0),
            name=name,
            dataset="operations",
            start=at,
            end=at + 1,
        )
        for name, at in (("score", 5), ("explain", 5), ("health", 6))
    ]

    found = incidents([whole, *parts], {"1 week": [(5, 6), (6, 7)]}, {}, monitor_id="m")

    assert [(one.kind, one.column, one.opened, len(one.members)) for one in found] == [
        ("service", None, 5, 3),
        ("service", "health", 6, 1),
    ]


def test_a_step_that_fails_beside_the_registered_model_is_an_incident_of_its_own() -> None:
    """Packages that are missing are no sum of the steps, as the requests of all endpoints are."""
    checks = [Failing("packages", "dependency_mismatches", family="pipeline", value=2.0)]
    checks += [Failing("archive", "step_missed_runs", family="pipeline", column="archive", value=1.0)]
    groups = [of_checks(one, name=one.column or ":table", dataset="pipelines", start=5, end=6) for one in checks]

    found = incidents(groups, {"1 week": [(5, 6)]}, {}, monitor_id="m")

    assert sorted((one.column or "", len(one.members), one.title) for one in found) == [
        ("", 1, "dependency_mismatches is beyond what is allowed"),
        ("archive", 1, "step_missed_runs of archive is beyond what is allowed"),
    ]
    assert not any("waits for it" in one.diagnosis for one in found)


def test_new_values_in_two_columns_are_not_taken_for_one_cause() -> None:
    rows = table(6)
    wrong = rows["week"] >= 6
    rows["carrier"] = rows["carrier"].where(~wrong | (rows["carrier"] != "AA"), "ZZ")
    rows["origin"] = rows["origin"].where(~wrong | (rows["origin"] != "LGA"), "HPN")

    found = diagnosed(rows, ("carrier", "origin"), keys=()).incidents

    assert [(one.kind, one.column) for one in found] == [("unseen_category", "carrier"), ("unseen_category", "origin")]


def test_columns_that_drift_in_one_slice_by_and_by_are_one_incident() -> None:
    def drifting(column: str, value: str, starts: range) -> list[Any]:
        check = Failing(f"{column} {value}", "ks", column=column, slice_key="carrier", slice_value=value, value=0.4)
        return [of_checks(check, start=at, end=at + 1, keys=(Key("carrier", 1, 3),)) for at in starts]

    windows = {"1 week": [(at, at + 1) for at in range(12)]}
    groups = [
        *drifting("dest", "EV", range(2, 12)),
        *drifting("origin", "EV", range(5, 7)),
        *drifting("seats", "MQ", range(5, 7)),
    ]

    found = incidents(groups, windows, {}, monitor_id="m")

    assert [(one.kind, one.columns, one.slice) for one in found] == [
        ("drift", ("dest", "origin"), ("carrier", "EV")),
        ("drift", ("seats",), ("carrier", "MQ")),
    ]


def test_an_incident_of_a_slice_that_is_too_small_ever_since_does_not_stay_open() -> None:
    """Nobody can say that it is well: its checks are NO_DATA. After twelve windows without a failure it is closed."""
    failing = Failing("c", "ks", column="price", slice_key="carrier", slice_value="B6")
    group = of_checks(failing, start=0, end=WEEK)
    for later, resolved in ((12, None), (13, 13 * WEEK), (20, 13 * WEEK)):
        windows = {"1 week": [(place * WEEK, (place + 1) * WEEK) for place in range(later)]}
        found = incidents([group], windows, {}, monitor_id="m")
        assert [(one.last_seen, one.resolved) for one in found] == [(WEEK, resolved)], later


def test_rows_beyond_the_upper_of_two_limits_are_up() -> None:
    check = Failing("n", "count", family="profile", value=563.0, expected=">= 426 and <= 560 (fail < 426 or > 560)")
    group = of_checks(check, start=5, end=6, name=":table")

    told = incidents([group], {"1 week": [(5, 6)]}, {}, monitor_id="m")[0]

    assert told.diagnosis.startswith("count is up to 563")


def test_answers_that_move_with_a_broken_column_are_not_named_beside_it() -> None:
    windows = {"1 week": [(5, 6), (6, 7)]}
    groups = [of_checks(Failing(name, "ks", column=name, value=0.6), start=5, end=6) for name in ("score", "wind")]

    found = incidents(groups, windows, {}, monitor_id="m", outputs=("score",))

    assert [(one.column, one.columns, len(one.members)) for one in found] == [("wind", ("wind",), 2)]
    assert found[0].diagnosis.startswith("wind: ")


@pytest.mark.parametrize(("well", "kind"), [(("1",), "version"), ((), "drift")])
def test_answers_that_move_in_one_version_alone_are_about_the_version(well: tuple[str, ...], kind: str) -> None:
    check = Failing("score", "ks", column="score", version="2", value=0.4)
    group = of_checks(check, start=5, end=6, versions_well=well)

    (found,) = incidents([group], {"1 week": [(5, 6)]}, {}, monitor_id="m", outputs=("score",))
    (feature,) = incidents([group], {"1 week": [(5, 6)]}, {}, monitor_id="m")

    assert (found.kind, found.column, found.versions) == (kind, "score", ("2",))
    assert found.diagnosis.startswith("score: its distribution has moved from the baseline's, ks is up to 0.400 since")
    assert ("version alone" in found.title) is bool(well)
    assert feature.kind == "drift"


def test_score_and_class_that_move_together_are_one_incident() -> None:
    checks = [Failing(name, "ks", column=name, version="2", value=0.4) for name in ("score", "class")]
    groups = [of_checks(check, start=5, end=6, versions_well=("1",)) for check in checks]

    (found,) = incidents(groups, {"1 week": [(5, 6)]}, {}, monitor_id="m", outputs=("score", "class"))

    assert (found.kind, found.columns, len(found.members)) == ("version", ("class", "score"), 2)
    assert found.title == "class, score have drifted in one version alone"


@pytest.mark.parametrize(("opened", "expected"), [(5, 1), (6, 2)])
def test_a_class_that_ceases_to_vary_in_a_slice_as_the_score_moves_is_no_other_problem(opened: int, expected: int) -> None:
    moved = [of_checks(Failing("score", "ks", column="score", value=0.4), start=at, end=at + 1) for at in (5, 6, 7)]
    ceased = Failing("class", "is_stuck", "quality", "class", "hotel", "Airport", value=1.0, expected="<= 0")
    groups = [*moved, *(of_checks(ceased, start=at, end=at + 1) for at in range(opened, 8))]

    found = incidents(groups, {"1 week": [(at, at + 1) for at in range(9)]}, {}, monitor_id="m", outputs=("score", "class"))

    assert len(found) == expected
    assert {one.kind for one in found if one.slice == WHOLE} >= {"drift"}


def test_the_number_told_is_of_the_slice_told_and_beside_its_own_limit() -> None:
    def failing(value: float, expected: str, key: str, of: str) -> Failing:
        return Failing("c", "count", "profile", None, key, of, value=value, expected=expected)

    checks = [
        failing(630.0, ">= 558.8 and <= 618.2 (fail)", "distance > 1000", "true"),
        failing(140.0, ">= 96.2 and <= 137.8 (fail)", "carrier", "DL"),
        failing(620.0, ">= 500 and <= 619 (fail)", "distance > 1000", "true"),
    ]
    group = replace(of_checks(checks[0], start=0, end=1), failing=tuple(checks))

    assert _farthest([group], ("distance > 1000", "true")) == "count is up to 630 (allowed: >= 558.8 and <= 618.2)"
    assert _farthest([group], ("carrier", "DL")) == "count is up to 140 (allowed: >= 96.2 and <= 137.8)"


def test_a_metric_that_has_a_sentence_is_told_by_it_and_long_limits_are_rounded() -> None:
    check = Failing("f", "freshness_hours", family="quality", value=312.0, expected="<= 72.000000001")
    group = of_checks(check, start=5, end=6, name=":table")

    told = incidents([group], {"1 week": [(5, 6)]}, {}, monitor_id="m")[0]

    assert told.diagnosis.startswith("the newest row is 312 hours old (freshness_hours, allowed: <= 72.0) since ")


def test_columns_that_a_table_has_or_lacks_are_named() -> None:
    """By the reason of the check, which takes them from the measurement."""
    measurement = Measurement(
        "columns_added", value=2.0, lower=2.0, upper=2.0, message="nurse: string; tip: double", family="quality"
    )
    rule = RuleConfig(metric="columns_added", fail="> 0")
    why = reason(measurement, rule, ruling(measurement, rule))
    check = Failing("s", "columns_added", family="quality", value=2.0, expected="<= 0", reason=why)

    told = incidents([of_checks(check, start=5, end=6, name=":table")], {"1 week": [(5, 6)]}, {}, monitor_id="m")[0]

    assert why == "columns_added is 2, above the fail limit 0; namely nurse: string; tip: double."
    named = "columns that the table did not have before: 2 (nurse: string; tip: double) (columns_added, allowed: <= 0) since "
    assert told.diagnosis.startswith(named)


def test_a_sentence_has_one_place_for_its_value() -> None:
    for sentence in ("no place", "{} and {}"):
        with pytest.raises(MonitorError, match=r"must have \{\} once"):
            quality_metric("percent_odd", register=False, sentence=sentence)(percent_odd)


def percent_odd() -> None:
    """Odd values."""


@pytest.mark.slow
def test_texts_that_are_empty_and_codes_that_are_exchanged_or_new_are_named() -> None:
    def codes(values: pd.Series[Any]) -> Any:
        return values.map({20: 102, 50: 101, 100: 305, 150: 210, 200: 418, 250: 402})

    rows = table(2)
    rows["seats"] = codes(rows["seats"].where(np.random.default_rng(4).random(len(rows)) > 0.4, 20))
    later = rows["week"] >= 6
    turned = rows.assign(seats=rows["seats"].where(~later, rows["seats"].map({102: 418, 418: 102}).fillna(rows["seats"])))
    new = rows.assign(seats=rows["seats"].where(~later | (rows["seats"] != 102), 177))
    empty = rows.assign(carrier=rows["carrier"].where(~later | (rows["carrier"] != "AA"), ""))

    assert diagnosed(turned, ["seats"]).only.kind == "encoding_swap"
    assert (diagnosed(new, ["seats"]).only.kind, "177" in diagnosed(new, ["seats"]).only.diagnosis) == ("unseen_category", True)
    found = diagnosed(empty, ["carrier"], keys=("origin",)).only
    assert (found.kind, found.column, "empty" in found.diagnosis) == ("missing", "carrier", True)


def other_labels(value: float) -> list[dict[str, Any]]:
    """Labels that are spread in another way from week 6 on."""
    about = {"metric": "label_shift", "family": "drift", "column_name": ":table", "model_version": "1", "value": value}
    place = {"slice_key": None, "slice_value": None}
    return [
        {**about, **place, "verdict": "FAIL" if week >= 6 else "PASS", "start": start(week), "end": start(week + 1)}
        for week in range(WEEKS)
    ]


def test_other_labels_are_one_incident_with_what_drifts_with_them() -> None:
    rows = planted("price", lambda v: v * noise(len(v)), weeks=range(6, WEEKS))
    found = diagnosed(rows, ["price", "temp"], other_labels(0.2)).only
    assert (found.kind, found.column, found.opened) == ("drift", None, start(6))
    assert found.columns == ("price",)


@pytest.mark.parametrize(("value", "kind"), [(0.4, "mix_shift"), (0.9, "drift")])
def test_labels_that_move_further_than_the_mix_of_the_rows_are_the_cause_of_it(value: float, kind: str) -> None:
    """LGA grows from a fifth of the rows to two thirds: whatever its labels are, that moves all labels by half or so."""
    rows = table(5)
    dice = np.random.default_rng(2)
    later, is_lga = rows["week"] >= 6, rows["origin"] == "LGA"
    rows["price"] = rows["price"] * rows["origin"].map({"EWR": 1.0, "JFK": 1.2, "LGA": 4.0})
    mixed = rows[~later | is_lga | (dice.random(len(rows)) < 0.12)]

    found = diagnosed(mixed, ["origin", "price"], other_labels(value)).only

    assert (found.kind, found.opened) == (kind, start(6)), found.diagnosis
    assert found.columns == ("origin", "price")


def test_columns_that_differ_only_because_a_slice_has_grown_are_part_of_that_shift() -> None:
    rows = table(3)
    dice = np.random.default_rng(9)
    # How high prices are, and whether seats are few, follows from the origin; then LGA triples.
    rows["seats"] = rows["seats"].where((rows["origin"] != "LGA") | (dice.random(len(rows)) < 0.5), 20)
    rows["price"] = rows["price"] * rows["origin"].map({"EWR": 1.0, "JFK": 1.2, "LGA": 3.0})
    later, is_lga = rows["week"] >= 6, rows["origin"] == "LGA"
    others = rows[~later | is_lga | (dice.random(len(rows)) < 0.12)]

    found = diagnosed(others, ["origin", "seats", "price"]).only

    assert (found.kind, found.slice) == ("mix_shift", ("origin", "LGA")), found.diagnosis
    assert found.columns == ("origin", "price", "seats")


def test_another_fault_of_a_column_that_was_well_between_is_another_incident() -> None:
    rows = planted("temp", lambda v: v * 1.8 + 32, weeks=range(4, 5))
    rows.loc[rows["week"] == 6, "temp"] = np.nan

    found = diagnosed(rows, ["temp"]).incidents

    assert [(one.kind, one.opened) for one in found] == [("unit_change", start(4)), ("missing", start(6))]


@pytest.mark.parametrize(("weeks", "expected"), [(range(6, 7), ["lost_rows"]), (range(6, 8), ["drift", "lost_rows"])])
def test_columns_that_drift_only_while_rows_are_lost_are_part_of_that(weeks: range, expected: list[str]) -> None:
    rows = planted("price", lambda v: v * noise(len(v)), weeks=weeks)
    lost = model_check(6, 0.4, metric="row_count_ratio", family="quality", expected=">= 0.6")

    found = diagnosed(rows, ["price"], extra=[lost]).incidents

    assert sorted(one.kind for one in found) == expected
    assert next(one.column for one in found if one.kind == "lost_rows") is None


def test_a_fault_that_begins_where_rows_are_lost_is_a_problem_apart() -> None:
    rows = planted("price", lambda v: v * 100, weeks=range(6, 7))
    lost = model_check(6, 0.4, metric="row_count_ratio", family="quality", expected=">= 0.6")

    found = diagnosed(rows, ["price"], extra=[lost]).incidents

    assert sorted(one.kind for one in found) == ["lost_rows", "unit_change"]


@pytest.mark.parametrize(
    ("metrics", "title", "told"),
    [
        (["percent_duplicate_ids"], "ids are there more than once", "50 % of the rows repeat an id"),
        (
            ["percent_duplicate_ids", "percent_duplicate_rows"],
            "rows are there more than once",
            "50 % of the rows repeat another row",
        ),
        (["percent_duplicate_rows", "duplicated_window"], "rows are there more than once", "50 earlier window has the same rows"),
        (
            ["percent_copied_rows"],
            "rows are there more than once under other ids",
            "50 % of the rows are copies of another one but for the id",
        ),
    ],
)
def test_what_is_repeated_is_told_by_the_metric_that_tells_most(metrics: list[str], title: str, told: str) -> None:
    failing = [model_check(4, 50.0, metric=one, family="quality", expected="<= 1") for one in metrics]

    found = diagnosed(table(1), (), extra=failing).only

    assert (found.kind, found.title) == ("duplicated_window", title)
    assert found.diagnosis.startswith(told)


def test_labels_that_copies_under_other_ids_do_not_have_are_no_problem_of_their_own() -> None:
    copied = [model_check(4, 50.0, metric="percent_copied_rows", family="quality", expected="<= 1")]
    missing = [model_check(week, 0.5, metric="label_coverage", expected=">= 0.8") for week in (4, 7)]

    found = diagnosed(table(1), (), extra=[*copied, *missing]).incidents

    assert [one.kind for one in found] == ["duplicated_window", "late_data"]


@pytest.mark.parametrize(
    ("ratio", "told"), [(0.0, "there is none of the rows expected"), (0.4, "there are 0.400 times the rows expected")]
)
def test_a_window_without_any_of_its_rows_is_told_in_words(ratio: float, told: str) -> None:
    rows = planted("price", lambda v: v, weeks=range(0))
    lost = model_check(6, ratio, metric="row_count_ratio", family="quality", expected=">= 0.6")

    (found,) = diagnosed(rows, ["price"], extra=[lost]).incidents

    assert found.diagnosis.startswith(f"{told} (row_count_ratio, allowed: >= 0.6)")
