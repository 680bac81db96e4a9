"""A feature whose values stand in other rows: each column is spread as before, and what went together does no longer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest
import sqlglot

from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.findings import DRIFT
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.parted import Pair, broken_at, parted_causes
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.insight.explained import explained, is_in_pair
from spark_monitor.insight.rows import Cause, IncidentRow
from spark_monitor.stages import parted as stage
from spark_monitor.text.quoting import crossed
from spark_monitor.windowing.timestamps import timestamp_of

WEEK = 7 * 86_400 * 1_000_000
ROWS, NAMES = 3000, ("load", "torque", "temp", "vib")


def pairs(values: np.ndarray, baseline: np.ndarray) -> list[Pair]:
    """Of every two columns, with Fisher's z and a normal interval as the oracle of what is chance."""
    now, before = np.corrcoef(values.T), np.corrcoef(baseline.T)
    places = [(one, other) for one in range(len(NAMES)) for other in range(one + 1, len(NAMES))]
    reach = 1.96 * np.sqrt(2 / (ROWS - 3))
    return [
        Pair(
            (NAMES[one], NAMES[other]),
            now[one, other],
            before[one, other],
            abs(np.arctanh(now[one, other]) - np.arctanh(before[one, other])) > reach,
        )
        for one, other in places
    ]


def drawn(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    load = random.normal(50, 10, ROWS)
    torque, temp = 0.8 * load + random.normal(0, 6, ROWS), 20 + 0.5 * load + random.normal(0, 8, ROWS)
    return np.column_stack([load, torque, temp, random.lognormal(0, 0.5, ROWS)])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_column_whose_values_are_permuted_is_named(seed: int, column: int) -> None:
    values = drawn(seed)
    values[:, column] = np.random.default_rng(seed).permutation(values[:, column])
    causes = parted_causes(pairs(values, drawn(99)), pairs(drawn(seed + 100), drawn(99)))
    assert [cause.what for cause in causes] == [NAMES[column]]
    assert "its values may stand in other rows." in causes[0].sentence


@pytest.mark.parametrize("seed", range(20))
def test_of_sound_rows_nothing_is_named(seed: int) -> None:
    assert parted_causes(pairs(drawn(seed), drawn(99))) == []


def test_of_two_columns_that_parted_nobody_can_say_which_it_is() -> None:
    (cause,) = parted_causes([Pair(("a", "b"), 0.02, -0.6)])
    assert cause.sentence == (
        "a: it no longer goes with b (correlation 0.020, in the baseline -0.600); "
        "its values, or those of b, may stand in other rows."
    )


def test_what_had_parted_before_or_is_known_to_be_off_is_no_cause() -> None:
    parted = [Pair(("a", "b"), 0.0, 0.7)]
    assert parted_causes(parted, parted) == []
    assert parted_causes(parted, broken={"b"}) == []
    assert parted_causes([Pair(("a", "b"), 0.0, 0.7, surely=False), Pair(("a", "c"), 0.5, 0.7), Pair(("b", "c"), 0.0, 0.2)]) == []


def test_a_column_that_still_goes_with_another_stands_in_its_rows() -> None:
    weather = [
        Pair(("wind_dir", "visib"), 0.044, 0.384),
        Pair(("dewp", "visib"), -0.337, -0.544),
        Pair(("humid", "visib"), -0.451, -0.714),
    ]
    assert [cause.what for cause in parted_causes(weather)] == ["wind_dir"]
    assert parted_causes([*weather, Pair(("wind_dir", "gust"), 0.31, 0.35)]) == []
    assert parted_causes(weather, [Pair(("wind_dir", "visib"), -0.287, 0.384)]) == []


@pytest.mark.parametrize("weeks_ago", [1, 5, 8, 9])
def test_what_parted_in_any_of_eight_windows_before_a_fall_is_no_cause(monkeypatch: pytest.MonkeyPatch, weeks_ago: int) -> None:
    fallen = SimpleNamespace(
        main=SimpleNamespace(first=SimpleNamespace(track=MODEL)),
        opened=12 * WEEK,
        granularity="1 week",
        columns=(),
        groups=[SimpleNamespace(versions_failing=["1"])],
    )
    parted = [Pair(("a", "b"), 0.0, 0.7)]
    stored = {("1 week", "1", start): parted for start in (12 * WEEK, (12 - weeks_ago) * WEEK)}
    monkeypatch.setattr(stage, "_pairs", lambda run, starts: {key: rows for key, rows in stored.items() if key[2] in starts})
    run: Any = SimpleNamespace(config=SimpleNamespace(max_correlated_columns=100))
    fall: Any = SimpleNamespace(is_worse=True)
    windows = {"1 week": tuple((week * WEEK, (week + 1) * WEEK) for week in range(13))}
    problems: Any = [fallen]
    causes = stage.causes_of_parting(run, problems, {id(fallen): fall}, windows)
    assert [cause.what for cause in causes[id(fallen)]] == ([] if weeks_ago <= 8 else ["a"])


def test_an_explanation_shows_the_correlations_of_the_column() -> None:
    cause = Cause("correlation", "o'torque", None, "o'torque: it no longer goes with load.")
    row = IncidentRow(
        "abc", title="t", diagnosis="d", kind="performance", opened=timestamp_of(0), last_seen=timestamp_of(9), causes=(cause,)
    )
    told = "\n".join(explained(row, "f.yaml"))
    assert "correlation_shift" in told
    assert "correlation" in told


def test_a_pair_is_shown_for_its_own_columns_and_not_for_those_whose_names_have_them() -> None:
    names = ["load", "payload", "load_2", "a, b", "o'x", 'q"']
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    with duckdb.connect() as tables:
        tables.execute("CREATE TABLE metrics (column_name VARCHAR)")
        tables.executemany("INSERT INTO metrics VALUES (?)", [[crossed(pair)] for pair in pairs])
        for name in names:
            (query,) = sqlglot.transpile(
                f"SELECT column_name FROM metrics WHERE {is_in_pair(name)}", read="spark", write="duckdb"
            )
            shown = tables.execute(query).fetchall()
            assert {text for (text,) in shown} == {crossed(pair) for pair in pairs if name in pair}


@pytest.mark.parametrize(("resolved", "broken"), [(None, {"load"}), (4 * WEEK, set())])
def test_a_column_that_was_broken_and_is_well_again_may_part_from_others(resolved: int | None, broken: set[str]) -> None:
    group = of_checks(Failing("c", "ks", column="load", value=0.4), start=2 * WEEK, end=3 * WEEK, name="load")
    problem = Problem([Episode(DRIFT, [group], resolved=resolved)], "drift")
    assert broken_at([problem], 4 * WEEK) == broken
