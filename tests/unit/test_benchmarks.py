"""The benchmarks: their data are what they claim, their arithmetic is numpy's and scipy's, and every suite runs to its end."""

from __future__ import annotations

import argparse
import doctest
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import ks_2samp

from benchmarks import answers, data, jobs, plots
from benchmarks.__main__ import SUITES
from benchmarks.answers import PERCENTS, Answer, Side, disagreements, exact_ks, exact_side, ks_of_quantiles, ks_of_sketches
from benchmarks.data import DAY, FILES, KEY_VALUES, NULL_SHARE, START, Made, moved_share
from benchmarks.growth import FAMILIES
from benchmarks.jobs import Work, events_in, work_of
from benchmarks.monitors import windows_of
from benchmarks.peer_local import exact_columns
from benchmarks.timing import per_value, ratio, spread, timed
from benchmarks.watch import can_watch, descendants, is_worker, peak
from spark_monitor.states.sketch import Kll

PROJECT = Path(__file__).resolve().parents[2]
ROWS = 20_001


def random() -> np.random.Generator:
    return np.random.default_rng(11)


# Data


def test_a_made_table_has_its_rows_and_columns_and_nulls_in_every_fourth(tmp_path: Path) -> None:
    table = pq.read_table(Made(ROWS, 8, keys=3).write(tmp_path))
    assert table.num_rows == ROWS
    assert table.column("id").to_pylist() == list(range(ROWS))
    assert table.column_names[-8:] == [f"x{position}" for position in range(8)]
    for position in range(8):
        share = table.column(f"x{position}").null_count / ROWS
        assert share == pytest.approx(NULL_SHARE if position % 4 == 0 else 0, abs=0.004)
    assert {len(table.column(f"g{key}").unique()) for key in range(3)} == {KEY_VALUES}
    assert "g3" not in table.column_names


def test_a_table_is_made_again_as_it_was_and_only_once(tmp_path: Path) -> None:
    made = Made(1_000, 4)
    first, second = made.write(tmp_path / "one"), made.write(tmp_path / "two")
    assert pq.read_table(first).equals(pq.read_table(second))
    (first / "part-0.parquet").unlink()
    assert made.write(tmp_path / "one") == first
    assert not (first / "part-0.parquet").exists()


def test_tables_that_differ_have_names_that_differ() -> None:
    tables = [
        Made(10, 2),
        Made(20, 2),
        Made(10, 3),
        Made(10, 2, keys=6),
        Made(10, 2, days=9),
        Made(10, 2, ordered=False),
        Made(10, 2, drift=True),
        Made(10, 2, row_group=5),
    ]
    assert len({made.name for made in tables}) == len(tables)


@pytest.mark.parametrize("ordered", [True, False])
def test_rows_stand_in_the_order_of_time_or_each_file_holds_the_whole_of_it(ordered: bool) -> None:
    made = Made(8_000, 1, ordered=ordered, days=8)
    parts = [made.part(number).column("at").cast("int64").to_numpy() for number in range(FILES)]
    span = made.days * DAY * 1_000_000
    assert all(part.min() >= START * 1_000_000 and part.max() < START * 1_000_000 + span for part in parts)
    if ordered:
        assert (np.diff(np.concatenate(parts)) >= 0).all()
        return
    assert all(np.ptp(part) > 0.98 * span and not (np.diff(part) >= 0).all() for part in parts)


def test_the_file_after_the_last_brings_the_time_that_follows() -> None:
    made = Made(4_000, 1)
    before, after = made.part(FILES - 1), made.part(FILES)
    assert after.column("at")[0].as_py() > before.column("at")[-1].as_py()
    assert after.column("id")[0].as_py() == before.column("id")[-1].as_py() + 1


def test_a_table_that_drifts_moves_the_share_of_values_that_it_says(tmp_path: Path) -> None:
    path = Made(40_000, 7, drift=True).write(tmp_path)
    distances = {name: distance for name, (_, distance) in exact_columns(path, [f"x{number}" for number in range(7)]).items()}
    for position, largest in enumerate(distances.values()):
        # Of a share s the greater of two is taken: KS is s max F (1 - F), which is s / 4 where F is continuous.
        assert largest == pytest.approx(moved_share(position) / 4, abs=0.02)


def test_row_groups_are_as_long_as_asked(tmp_path: Path) -> None:
    path = Made(4_000, 1, row_group=300).write(tmp_path)
    assert pq.ParquetFile(path / "part-0.parquet").metadata.row_group(0).num_rows == 300


def test_windows_follow_one_another_over_the_tables_time() -> None:
    windows = windows_of(24)
    assert all(before.end == after.start for before, after in pairwise(windows))
    assert (windows[0].start, windows[-1].end) == (START * 1_000_000, (START + 28 * DAY) * 1_000_000)


# Arithmetic


def test_cases_are_timed_in_turns_and_the_first_turn_does_not_count() -> None:
    called: list[str] = []
    cases = {"a": lambda: called.append("a"), "b": lambda: called.append("b")}
    times = timed(cases, 2, before=lambda: called.append("before"))
    assert called == ["before", "a", "b"] * 3
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_ratios_and_costs_are_numpys() -> None:
    one, other = random().uniform(1, 2, 5), random().uniform(3, 9, 5)[::-1]
    times = {"one": one.tolist(), "other": other.tolist()}
    middle, least, most = np.median(one / other), (one / other).min(), (one / other).max()
    assert ratio(times, "one", "other") == f"one / other: {middle:.2f} (from {least:.2f} to {most:.2f})"
    assert per_value(times, 1_000, 2)["one"] == pytest.approx(np.median(one) * 2e9 / 1_000)
    assert spread(times, 1_000, 2)["other"] == pytest.approx((other.min() * 2e6, other.max() * 2e6))


@pytest.mark.parametrize("shift", [0.0, 0.3, 5.0])
def test_ks_of_fine_quantiles_is_near_scipys(shift: float) -> None:
    before, after = random().normal(size=3_000), random().normal(size=2_000) + shift
    ranks = np.arange(2_001) / 2_000
    found = ks_of_quantiles(*(np.quantile(values, ranks) for values in (before, after)))
    assert found == pytest.approx(ks_2samp(before, after, method="asymp").statistic, abs=2e-3)


def test_ks_of_a_hundred_quantiles_is_off_by_no_more_than_their_steps() -> None:
    before, after = random().lognormal(0, 2, 5_000), random().lognormal(0.4, 2, 5_000)
    found = ks_of_quantiles(*(np.array(exact_side(values, 0).quantiles) for values in (before, after)))
    assert abs(found - ks_2samp(before, after, method="asymp").statistic) <= 0.02


def test_ks_of_quantiles_sees_jumps_at_ties() -> None:
    before, after = np.repeat([0.0, 1.0], [60, 40]), np.repeat([0.0, 1.0], [30, 70])
    quantiles = [np.array(exact_side(values, 0).quantiles) for values in (before, after)]
    assert ks_of_quantiles(*quantiles) == pytest.approx(0.3, abs=0.02)


def test_ks_of_sketches_that_keep_every_value_is_scipys() -> None:
    before, after = np.round(random().normal(size=500), 1), np.round(random().normal(size=400) + 0.2, 1)
    assert ks_of_sketches(Kll.of(before), Kll.of(after)) == pytest.approx(exact_ks(before, after), abs=1e-12)


def test_exact_numbers_of_a_side_are_numpys() -> None:
    values = random().gamma(2, 2, 1_001)
    side = exact_side(values, nulls=9)
    assert (side.count, side.nulls, side.minimum, side.maximum) == (1_010, 9, values.min(), values.max())
    assert (side.mean, side.stddev) == (values.mean(), values.std(ddof=1))
    assert side.quantiles == np.quantile(values, PERCENTS, method="inverted_cdf").tolist()


def test_what_a_peer_counts_otherwise_is_said_in_words() -> None:
    right = Side(10, 1, 2.0, 1.0, 0.0, 4.0)
    wrong = Side(10, 0, 2.0, 1.0, 0.0, 4.0)
    found = disagreements(Answer({"x": (right, wrong)}), Answer({"x": (right, right)}))
    assert found == ["x, current: nulls is 0, exact is 1"]


def test_every_point_of_a_family_but_the_first_is_larger() -> None:
    for name, family in FAMILIES.items():
        points = family(4_000_000, 40)
        sizes = [
            (point.made.rows * point.made.columns, point.windows, len(point.keys), not point.made.ordered) for point in points
        ]
        assert sizes == sorted(set(sizes)), name
    assert [point.made.columns for point in FAMILIES["columns"](4_000_000, 40)] == [40, 200, 1_000, 2_000]
    assert [point.made.rows for point in FAMILIES["rows"](4_000_000, 40)] == [500_000, 1_000_000, 2_000_000, 4_000_000]
    assert {point.made.rows for point in FAMILIES["columns"](4_000_000, 40)} == {100_000}


@pytest.mark.parametrize("module", [answers, data, jobs], ids=lambda module: module.__name__)
def test_the_examples_of_the_benchmarks_come_out_as_written(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert (results.failed, results.attempted > 0) == (0, True)


# What is read of Spark and of the system


def test_jobs_and_shuffled_bytes_are_summed_over_an_event_log(tmp_path: Path) -> None:
    ended = '{"Event": "SparkListenerTaskEnd", "Task Metrics": {"Shuffle Write Metrics": {"Shuffle Bytes Written": %d}}}\n'
    started = '{"Event": "SparkListenerJobStart", "Properties": {"spark.jobGroup.id": "%s"}}\n'
    killed = '{"Event": "SparkListenerTaskEnd"}\n'
    (tmp_path / "local-1").write_text(
        started % "the run" + ended % 5 + killed + started % "another" + ended % 7, encoding="utf-8"
    )
    (tmp_path / ".local-1.crc").write_bytes(b"\xff\xfe")
    assert work_of(events_in(tmp_path)) == Work(jobs=1, beside=1, tasks=3, shuffled=12)


@pytest.mark.skipif(not can_watch(), reason="this system has no /proc that tells the peak of a process")
def test_a_watched_process_is_found_with_its_peak() -> None:
    program = "import sys; held = bytearray(b'x') * (64 << 20); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, "pyspark.daemon"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid in descendants(os.getpid())
        assert is_worker(process.pid)
        assert (peak(process.pid) or 0) >= 64 << 20
        process.communicate()
    assert peak(process.pid) is None
    assert not is_worker(os.getpid())


def test_plots_of_the_same_figures_are_the_same_bytes(tmp_path: Path) -> None:
    asked = [argparse.Namespace(output=tmp_path / name, docs=False) for name in ("one", "two")]
    points = [plots.Point("10 rows", 3.0, (2.0, 5.0)), plots.Point("100 rows", 4.0, (4.0, 4.0))]
    for arguments in asked:
        plots.bars("bars", {"a": 1.0, "b": 2.0}, {"a": (0.9, 1.1), "b": (2.0, 2.0)}, "title", "unit", arguments)
        plots.lines("lines", {"files": points, "spark": points[:1]}, "title", "rows", "unit", arguments)
    for name in ("bars.svg", "lines.svg"):
        text = (tmp_path / "one" / name).read_text(encoding="utf-8")
        assert text == (tmp_path / "two" / name).read_text(encoding="utf-8")
        assert "dc:date" not in text


# The command


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_an_unknown_suite_is_refused_with_those_that_are_known() -> None:
    done = benchmarks("speed")
    assert done.returncode == 2
    assert f"unknown suites: speed. Known: {', '.join(SUITES)}." in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_runs_on_a_small_table(suite: str, tmp_path: Path) -> None:
    small = ["--rows", "20000", "--columns", "4", "--repeats", "1"]
    less = {"growth": ["--spark", "--only", "rows", "columns", "slices"], "memory": ["--only", "long", "2,000 columns"]}
    places = ["--dir", str(tmp_path / "data"), "--output", str(tmp_path / "plots")]
    done = benchmarks(suite, *small, *less.get(suite, []), *places)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert re.search(r"\d", done.stdout)
    if suite == "peers":
        assert "the exact value lies inside for 4 of 4 columns" in done.stdout
