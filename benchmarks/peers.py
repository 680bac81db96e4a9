"""The same question to spark_monitor's file reader and to its peers, on the same data in the same run.

Of every column in an earlier and a later half of the rows: count, nulls, mean, standard deviation, extremes, 101 quantiles; and
the Kolmogorov-Smirnov distance of the halves. Numpy and scipy over whole columns say what is exact.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from benchmarks import plots
from benchmarks.answers import Answer, certified_text, disagreements, ks_error
from benchmarks.data import Made
from benchmarks.monitors import CORES, session
from benchmarks.peer_local import Exact, duckdb, polars
from benchmarks.peer_ours import HALVES, by_files
from benchmarks.peer_spark import SparkPeer
from benchmarks.peer_whylogs import SILENCE, Unavailable, Whylogs
from benchmarks.readers import Bench
from benchmarks.timing import per_value, ratio, spread, timed

OURS, EXACT = "spark_monitor, file reader", "scipy and numpy, exact"
FREEZING = "spark_monitor, freezing the baseline (once)"
SHOWN = 3
Case = Callable[[], Answer]


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    os.environ |= SILENCE
    path = Made(arguments.rows, arguments.columns, drift=True).write(arguments.dir)
    names = [f"x{position}" for position in range(arguments.columns)]
    bench = Bench(session(), path, arguments.columns, baseline=f"at < timestamp_micros({HALVES[1].start})")
    spark, exact = SparkPeer(bench.spark, path, names), Exact(path, names)
    cases: dict[str, Case] = {
        OURS: lambda: by_files(bench),
        EXACT: exact.answer,
        "DuckDB, quantile_cont": lambda: duckdb(path, names, "quantile_cont"),
        "DuckDB, approx_quantile": lambda: duckdb(path, names, "approx_quantile"),
        "polars": lambda: polars(path, names),
    }
    if not arguments.files_only:
        cases |= {
            "Spark, KLL k = 1024 and statistics": spark.kll,
            "Spark, KLL k = 200, statistics by fours": spark.kll_tuned,
            "Spark, percentile_approx": spark.percentile_approx,
        }
    whylogs = whylogs_or_sentence(path, names)
    if whylogs is not None:
        cases["whylogs"] = whylogs.answer
    try:
        report(bench, cases, arguments)
    finally:
        exact.close()
        if whylogs is not None:
            whylogs.close()


def whylogs_or_sentence(path: Path, names: list[str]) -> Whylogs | None:
    """whylogs where it can be had and answers; else the reason is printed."""
    try:
        program = Whylogs(path, names)
        try:
            program.answer()
        except Unavailable:
            program.close()
            raise
    except Unavailable as why:
        print(why)
        return None
    return program


def report(bench: Bench, cases: dict[str, Case], arguments: argparse.Namespace) -> None:
    """Time the cases in turns, and print what they take and how far off they are."""
    answers: dict[str, Answer] = {}

    def kept(name: str, case: Case) -> Callable[[], None]:
        def run() -> None:
            answers[name] = case()

        return run

    timed_cases: dict[str, Callable[[], object]] = {name: kept(name, case) for name, case in cases.items()}
    if not arguments.files_only:
        timed_cases[FREEZING] = bench.freezing
    times = timed(timed_cases, arguments.repeats)
    costs = per_value(times, arguments.rows * arguments.columns, CORES)
    for name, cost in costs.items():
        print(f"{name}: {cost:.0f} ns a value and core")
    for name in costs:
        if name != OURS:
            print(ratio(times, name, OURS))
    for name, answer in answers.items():
        print(f"{name}: KS off by at most {ks_error(answer, answers[EXACT]):.6f}")
        wrong = disagreements(answer, answers[EXACT])
        for sentence in wrong[:SHOWN]:
            print(f"{name}: {sentence} ({len(wrong)} such)")
    print(f"{OURS}: {certified_text(answers[OURS], answers[EXACT])}")
    title = f"{arguments.rows:,} rows, {arguments.columns} columns"
    plots.bars("peers", costs, spread(times, arguments.rows * arguments.columns, CORES), title, "ns a value and core", arguments)
