"""The questions of the read model, asked by DuckDB of Delta tables, against rows whose results are worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from example_facts import AUC, config, week
from example_facts import WEEKS as EXAMPLE_WEEKS
from example_facts import results as example_results
from tables_written import write_tables

from spark_monitor.config.fairness import WorstSlicesConfig
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.headline import headline, measured_readings
from spark_monitor.insight.read_results import facts, read_results
from spark_monitor.insight.reading import Reading
from spark_monitor.insight.results import Results
from spark_monitor.insight.rows import CountRow, MeasureRow
from spark_monitor.insight.tables import Tables
from spark_monitor.outputs.terminal.summary import summary
from spark_monitor.store.local import LocalTables
from spark_monitor.store.schemas import TABLES
from spark_monitor.windowing.windows import Window

WEEKS = 6
COLUMNS = [f"column_{index:02d}" for index in range(14)]
VERSIONS = ("1", "2", None)


def cut(version: str | None, window: Window, **values: Any) -> dict[str, Any]:
    key = {"monitor_id": "flights_delay", "granularity": "1 week", "window": (window.start, window.end), "model_version": version}
    return {**key, "run_id": "r1", **values}


def ks(column: int, number: int) -> float:
    """The greatest distance of a column: column 13 moves most, and every column moves most in the last week."""
    return (column + 1) / 100 + number / 1000


def auc(version: str | None, number: int) -> float:
    return 0.8 - number / 100 - (0.1 if version == "2" else 0.0)


def example_rows() -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for version in VERSIONS:
        for number in range(WEEKS):
            add_window(rows, version, number)
    rows["profile_metrics"] += strangers()
    rows["incidents"] = [
        incident("low", "OPEN", severity="low", column_name=COLUMNS[2]),
        incident("open", "OPEN", severity="critical", owner="weather", runbook="docs/wind.md"),
        incident("muted", "MUTED", severity="high", slice_key="origin", slice_value="JFK", muted_until=week(50).start),
        incident("early", "RESOLVED", resolved=week(2).end, last_seen=week(1).end),
        incident("done", "RESOLVED", resolved=week(3).end, last_seen=week(2).end),
        {**incident("stranger", "OPEN"), "monitor_id": "another"},
    ]
    at = week(WEEKS).start
    rows["runs"] = [
        {
            "run_id": "r1",
            "monitor_id": "flights_delay",
            "as_of": at,
            "started": week(2).start,
            "status": "COMMITTED",
            "published": "PENDING",
        },
        {
            "run_id": "r2",
            "monitor_id": "flights_delay",
            "as_of": at,
            "started": week(3).start,
            "status": "FAILED",
            "error": "no table",
        },
    ]
    return rows


def add_window(rows: dict[str, list[dict[str, Any]]], version: str | None, number: int) -> None:
    window = week(number)
    rows["profile_metrics"].append(cut(version, window, column_name=":table", log_type="INPUT", count=100 + number))
    rows["profile_metrics"].append(
        cut(version, window, column_name=":table", log_type="INPUT", count=7, slice_key="origin", slice_value="JFK")
    )
    for index, column in enumerate(COLUMNS):
        distance = ks(index, number)
        bounds = {"ks_population_lower": distance - 0.005, "ks_population_upper": distance + 0.005}
        drift = {"column_name": column, "ks_test": (distance, 0.01), **bounds}
        rows["drift_metrics"].append(cut(version, window, drift_type="BASELINE", **drift))
        rows["drift_metrics"].append(cut(version, window, drift_type="CONSECUTIVE", column_name=column, ks_test=(0.99, 0.0)))
    rows["drift_metrics"].append(cut(version, window, drift_type="BASELINE", column_name="text", js_distance=0.5))
    for airport, shift in (("JFK", 0.3), ("LGA", 0.2), (None, 0.1)):
        sliced = {"slice_key": "origin", "slice_value": airport}
        rows["drift_metrics"].append(
            cut(
                version,
                window,
                drift_type="BASELINE",
                column_name="a",
                ks_test=(shift, 0.0),
                ks_population_lower=shift - 0.05,
                **sliced,
            )
        )
        value = auc(version, number) - shift
        rows["model_metrics"].append(metric_row(version, window, AUC, value, label_status="FINAL", **sliced))
    status = "FINAL" if number < WEEKS - 2 else "NO_LABELS"
    value = auc(version, number) if status == "FINAL" else None
    rows["model_metrics"].append(metric_row(version, window, AUC, value, label_status=status))
    rows["model_metrics"].append(metric_row(version, window, AUC, 0.123, label_status=status, basis="ESTIMATED"))
    rows["model_metrics"].append(metric_row(version, window, "precision", 0.321, label_status=status, **{"class": "late"}))
    for column, verdict in ((13, "FAIL"), (12, "WARN"), (0, "PASS"), (5, "UNDECIDED")):
        rows["checks"].append(check_row(version, window, COLUMNS[column], verdict, ks(column, number)))
    rows["checks"].append(
        check_row(version, window, COLUMNS[13], "FAIL", 0.7, slice_key="origin", slice_value="JFK", check_id="JFK")
    )


def metric_row(version: str | None, window: Window, metric: str, value: float | None, **values: Any) -> dict[str, Any]:
    bounds = {} if value is None else {"lower": value - 0.01, "upper": value + 0.01}
    return cut(
        version,
        window,
        **{"metric": metric, "value": value, "basis": "REALISED", "label_coverage": 0.9, "count": 90, **bounds, **values},
    )


def check_row(version: str | None, window: Window, column: str, verdict: str, value: float, **values: Any) -> dict[str, Any]:
    rule = {
        "family": "drift",
        "metric": "ks",
        "verdict": verdict,
        "value": value,
        "severity": "medium",
        "expected": "at most 0.1",
    }
    return cut(
        version,
        window,
        column_name=column,
        reason=f"it is {value:.3f}.",
        **{"check_id": f"{column} of {version}", **rule, **values},
    )


def incident(incident_id: str, status: str, **values: Any) -> dict[str, Any]:
    about = {
        "kind": "drift",
        "title": f"{COLUMNS[13]} has moved",
        "diagnosis": "It has moved.",
        "dataset": "predictions",
        "column_name": COLUMNS[13],
        "model_versions": ["2"],
        "severity": "medium",
        "run_id": "r1",
    }
    member = {"check_id": f"{COLUMNS[13]} of 2", "metric": "ks", "column_name": COLUMNS[13]}
    told = {"members": [member], "causes": [{"kind": "column", "what": "x", "share": 0.5, "sentence": "It is x."}], "checks": 3}
    seen = {"opened": week(1).start, "last_seen": week(WEEKS - 1).end, "occurrences": 5, "status": status}
    return {"monitor_id": "flights_delay", "incident_id": incident_id, **about, **told, **seen, **values}


def strangers() -> list[dict[str, Any]]:
    """Rows that no question about this monitor may meet."""
    row = cut("9", week(0), column_name=":table", log_type="INPUT", count=1)
    return [{**row, "monitor_id": "another"}, {**row, "granularity": "1 month"}, {**row, "log_type": "BASELINE"}]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    directory = tmp_path_factory.mktemp("tables")
    write_tables(directory, example_rows())
    return LocalTables(str(directory), "flights_delay")


@pytest.fixture(scope="module")
def results(tables: Tables) -> Results:
    return read_results(tables, config(), [week(number) for number in range(1, WEEKS)], pictures=True)


@pytest.fixture(scope="module")
def readings(results: Results) -> tuple[Reading, ...]:
    chosen = headline(results, config())
    assert chosen.left_out == "1 further series is in the tables alone"  # thirty are shown
    return chosen.readings


@pytest.fixture(scope="module")
def known(results: Results) -> Facts:
    return assembled(results, config())


def values(readings: Iterable[Reading], name: str, version: str | None, **place: str | None) -> list[tuple[Window, float | None]]:
    about = {"column": None, "slice_key": None, "slice_value": None, **place}
    found = [row for row in readings if row.name == name and row.version == version]
    return sorted((row.window, row.value) for row in found if all(getattr(row, field) == value for field, value in about.items()))


@pytest.mark.parametrize("version", VERSIONS)
def test_counts_are_those_of_the_windows_asked_for(readings: tuple[Reading, ...], version: str | None) -> None:
    assert values(readings, "count", version) == [(week(number), 100.0 + number) for number in range(WEEKS)]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_columns_that_move_most_have_whole_series(readings: tuple[Reading, ...], version: str | None) -> None:
    moved = {row.column for row in readings if row.name == "ks" and row.version == version}

    incident = {COLUMNS[2]} if version == "2" else set[str]()  # what broke a rule is charted too, however far it moved
    assert moved == set(COLUMNS[5:]) | incident  # nine: with the others thirty charts
    for index in range(5, 14):
        assert values(readings, "ks", version, column=COLUMNS[index]) == [
            (week(number), ks(index, number)) for number in range(WEEKS)
        ]
    assert values(readings, "ks_max", version) == [(week(number), ks(13, number)) for number in range(WEEKS)]


@pytest.mark.parametrize("version", VERSIONS)
def test_only_realised_metrics_of_all_classes_are_published(readings: tuple[Reading, ...], version: str | None) -> None:
    known = [(week(number), auc(version, number)) for number in range(WEEKS - 2)]

    assert [(window, value) for window, value in values(readings, AUC, version) if value is not None] == known
    assert values(readings, f"{AUC}_lower", version) == [(window, value - 0.01) for window, value in known]
    assert values(readings, "precision", version) == []
    assert values(readings, "label_coverage", version) == [(week(number), 0.9) for number in range(WEEKS)]


def test_the_worst_slice_is_found_in_every_window(readings: tuple[Reading, ...]) -> None:
    worst = [(week(number), auc("2", number) - 0.3) for number in range(WEEKS)]

    assert values(readings, f"{AUC}_worst_slice", "2") == worst
    assert values(readings, AUC, "2", slice_key="origin", slice_value="JFK") == worst
    assert len(values(readings, AUC, "2", slice_key="origin", slice_value=None)) == WEEKS


def test_what_the_search_named_comes_before_the_slices_of_the_file(tmp_path: Path) -> None:
    rows, last = example_rows(), week(WEEKS - 3)
    asked = config().model_copy(update={"worst_slices": WorstSlicesConfig()})
    places = (
        {"slice_key": "km", "slice_value": "(1, 2]"},
        {"slice_key": "origin, km > 1"},
        {"slice_key": "a", "slice_value": "b"},
    )
    metrics = (AUC, AUC, "another")
    for rank, (place, metric) in enumerate(zip(places, metrics, strict=True), start=1):
        found = {"metric": "worst_slice", "class": str(rank), "value": rank / 10, "count": 60, "family": "performance"}
        rows["metrics"].append(
            cut("2", last, **found, lower=0.0, upper=0.5, column_name=":table", details={"metric": metric, **place})
        )
    write_tables(tmp_path, rows)
    second, first, _ = facts(LocalTables(str(tmp_path), "flights_delay"), asked).versions
    assert [(row.slice_key, row.slice_value, row.value, row.count) for row in second.worst_slices] == [
        ("km", "(1, 2]", 0.1, 60),
        ("origin, km > 1", None, 0.2, 60),
    ]
    assert [row.slice_key for row in first.worst_slices] == ["origin"] * 3
    told = [row.slice_key for row in facts(LocalTables(str(tmp_path), "flights_delay"), config()).versions[0].worst_slices]
    assert told == ["origin"] * 3  # the file asks for no search


def test_verdicts_are_counted_with_slices_and_drifting_columns_without(readings: tuple[Reading, ...]) -> None:
    windows = [week(number) for number in range(WEEKS)]

    assert values(readings, "checks_fail", "2") == [(window, 2.0) for window in windows]
    assert values(readings, "checks_undecided", None) == [(window, 1.0) for window in windows]
    assert values(readings, "checks_no_data", "1") == [(window, 0.0) for window in windows]
    assert values(readings, "columns_drifting", "2") == [(window, 1.0) for window in windows]


def test_old_windows_that_are_published_late_are_asked_about_besides(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("read_results", "measurement_queries"):
        monkeypatch.setattr(f"spark_monitor.insight.{room}.HISTORY_WINDOWS", 2)

    found = headline(read_results(tables, config(), [week(0)]), config()).readings

    for name in ("count", "ks_max", "checks_fail", "label_coverage"):
        assert [window for window, _ in values(found, name, "2")] == [week(0), week(WEEKS - 2), week(WEEKS - 1)]


def test_facts_are_those_of_each_versions_last_window(known: Facts) -> None:
    assert [version.version for version in known.versions] == ["2", "1", None]
    second = known.versions[0]
    assert (second.window, second.count) == (week(WEEKS - 1), 100 + WEEKS - 1)
    assert dict(second.verdicts) == {"FAIL": 2, "WARN": 1, "PASS": 1, "UNDECIDED": 1}
    assert (second.status, second.open_incidents) == ("FAIL", 3)
    assert [(row.column, row.ks) for row in second.shifts] == [(COLUMNS[index], ks(index, 5)) for index in (13, 12, 11, 10, 9)]
    assert [(row.slice_value, row.ks) for row in second.shifted_slices] == [("JFK", 0.3), ("LGA", 0.2), (None, 0.1)]
    assert [(row.window, row.value) for row in second.realised] == [(week(WEEKS - 3), auc("2", WEEKS - 3))]
    assert [row.slice_value for row in second.worst_slices] == ["JFK", "LGA", None]
    assert len(second.counts) == len(second.verdict_series) == WEEKS
    assert set(second.drift_series) == set(COLUMNS[9:])


def test_failing_checks_come_worst_first_and_know_since_when(known: Facts) -> None:
    second = known.versions[0]

    assert [(found.verdict, found.column, found.slice_value, found.also_slices) for found in second.failing] == [
        ("FAIL", COLUMNS[13], None, 1),
        ("WARN", COLUMNS[12], None, 0),
    ]
    assert [(found.since, found.occurrences) for found in second.failing] == [(week(0).start, WEEKS), (None, None)]
    assert [(row.metric, row.verdict, row.checks, row.reason) for row in second.undecided] == [
        ("ks", "UNDECIDED", 1, "it is 0.065.")
    ]


def test_incidents_and_runs_are_this_monitors_worst_first(known: Facts) -> None:
    assert [(row.incident_id, row.status) for row in known.open] == [("open", "OPEN"), ("muted", "MUTED"), ("low", "OPEN")]
    assert [row.incident_id for row in known.resolved] == ["done", "early"]
    assert known.open_total == 3
    assert [(cause.what, cause.share, cause.sentence) for cause in known.open[0].causes] == [("x", 0.5, "It is x.")]
    assert [(point.window, point.value) for point in known.open[0].series] == [(week(n), ks(13, n)) for n in range(WEEKS)]
    assert known.last_failure is not None
    assert known.last_failure.error == "no table"
    assert known.unpublished is not None
    assert known.unpublished.run_id == "r1"


def test_a_monitor_that_never_ran_has_facts(tmp_path: Path) -> None:
    write_tables(tmp_path, {})

    empty = facts(LocalTables(str(tmp_path)), config(), pictures=True)

    assert empty.versions == ()
    assert "No window has been monitored yet." in summary(empty, config())


def test_the_heat_map_has_the_columns_that_moved_and_their_worst_verdicts(known: Facts) -> None:
    cells = [row for row in known.heat if row.version == "2" and row.column == COLUMNS[13]]

    assert [(row.window, row.distance, row.verdict) for row in cells] == [
        (week(number), ks(13, number), "FAIL") for number in range(WEEKS)
    ]
    assert {row.metric for row in known.heat if row.column == "text"} == {"js_distance"}
    assert {row.verdict for row in known.heat if row.column == COLUMNS[0]} == {None}


def test_rows_of_a_run_that_was_not_committed_are_not_seen(tmp_path: Path) -> None:
    rows = example_rows()
    write_tables(tmp_path, {**rows, "checks": [{**row, "run_id": "r2"} for row in rows["checks"]]})

    assert read_results(LocalTables(str(tmp_path), "flights_delay"), config()).verdicts == []


def test_an_empty_last_week_hides_nothing_and_is_said_first(tmp_path: Path) -> None:
    rows = example_rows()
    rows["profile_metrics"] += [
        cut(version, week(number), column_name=":table", log_type="INPUT", count=0, status="EMPTY")
        for version in VERSIONS
        for number in (WEEKS, WEEKS + 1)
    ]
    write_tables(tmp_path, rows)

    found = facts(LocalTables(str(tmp_path), "flights_delay"), config())

    assert found.versions[0].window == week(WEEKS - 1)
    assert found.versions[0].shifts
    assert found.empty == (week(WEEKS), week(WEEKS + 1))
    assert found.status == "NO_DATA"
    assert found.sentence.startswith(f"No rows since {week(WEEKS).start:%Y-%m-%d}: 2 windows empty.")


def test_each_versions_onset_is_its_own(tmp_path: Path) -> None:
    rows = example_rows()
    for row in rows["checks"]:
        if row["check_id"] == f"{COLUMNS[13]} of 1" and row["window"][0] < week(4).start:
            row["verdict"] = "PASS"
    write_tables(tmp_path, rows)

    found = facts(LocalTables(str(tmp_path), "flights_delay"), config())

    onset = {version.version: version.failing[0].since for version in found.versions}
    assert onset == {"2": week(0).start, "1": week(4).start, None: week(0).start}


def test_a_monitor_without_labels_and_slices_asks_less(tables: Tables) -> None:
    plain = config(labels=None, slices=[], model={"name": "m", "task": "none"})

    found = facts(tables, plain)

    assert found.versions[0].realised == found.versions[0].worst_slices == found.versions[0].shifted_slices == ()
    assert not [row for row in headline(read_results(tables, plain), plain).readings if row.family == "performance"]


def test_what_broke_a_rule_is_charted_with_its_limit() -> None:
    found = headline(example_results(), config()).readings
    weeks = [week(number) for number in range(EXAMPLE_WEEKS)]

    assert values(found, "ks_limit", "2", column="wind_speed") == [(window, 0.2) for window in weeks]
    assert [value for _, value in values(found, "ks", "2", column="wind_speed")][-1] == 0.412
    assert len(values(found, "ks", "2", column="wind_speed")) == len({row.window for row in found if row.name == "ks_limit"})


def test_of_a_family_what_rules_name_and_what_changes_is_charted_first() -> None:
    def series(metric: str, changing: bool) -> list[MeasureRow]:
        return [
            MeasureRow(None, week(place), "predictions", "quality", metric, float(place if changing else 0)) for place in (0, 1)
        ]

    rows = [row for place in range(8) for row in series(f"a{place}", changing=False)]
    rows += [*series("moves", changing=True), *series("ruled", changing=False)]
    found = measured_readings(rows, [CountRow("2", week(place), 5) for place in (0, 1)], ruled=["ruled"])

    assert {row.name for row in found} == {"ruled", "moves", "a0", "a1", "a2", "a3"}


def test_of_a_service_what_the_catalogue_puts_at_the_head_is_charted_before_names_go_by_the_alphabet() -> None:
    names = [f"{load}_percent_{kind}" for load in ("cpu", "gpu") for kind in ("avg", "max", "p95")]
    names += ["active_hosts", "failure_rate", "latency_p95", "requests"]
    rows = [MeasureRow(None, week(place), "operations", "system", name, float(place)) for name in names for place in (0, 1)]
    found = measured_readings(rows, [CountRow("2", week(place), 5) for place in (0, 1)])

    assert {"failure_rate", "latency_p95", "requests"} < {row.name for row in found}


def test_a_log_of_shorter_windows_is_charted_for_the_versions_of_the_window_that_holds_them() -> None:
    def row(first: float, last: float, value: float) -> MeasureRow:
        start, day = week(0).start, timedelta(days=1)
        return MeasureRow(None, Window(start + first * day, start + last * day), "operations", "system", "requests", value)

    rows = [row(0, 1, 1.0), row(6, 7, 2.0), row(7, 8, 3.0), row(-1, 0, 4.0), row(6.5, 7.5, 5.0), row(0, 30, 6.0)]
    found = measured_readings(rows, [CountRow("2", week(0), 5), CountRow("3", week(0), 1), CountRow("3", week(1), 1)])

    assert sorted((one.version, one.value) for one in found) == [("2", 1.0), ("2", 2.0), ("3", 1.0), ("3", 2.0), ("3", 3.0)]


def test_steps_and_tables_of_pipelines_are_charted_by_their_names_and_own_stages_last() -> None:
    def row(family: str, metric: str, column: str | None) -> MeasureRow:
        return MeasureRow(None, week(0), family, family, metric, 1.0, column=column)

    rows = [row("pipeline", "step_seconds", f"spark_monitor.{stage}") for stage in "abcdef"]
    rows += [row("pipeline", "step_failures", "train"), row("pipeline", "output_rows", "ml.features")]
    rows += [row("system", "requests", None), row("system", "requests", "predict"), row("cost", "cost", None)]
    found = measured_readings(rows, [CountRow("2", week(0), 5)])

    assert {(one.family, one.name, one.column) for one in found if not (one.column or "").startswith("spark_monitor.")} == {
        ("pipeline", "step_failures", "train"),
        ("pipeline", "output_rows", "ml.features"),
        ("system", "requests", None),
        ("cost", "cost", None),
    }
    assert sum(one.family == "pipeline" for one in found) == 6
