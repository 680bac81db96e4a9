"""The command: shapes x rules x seeds, each a monitor with some plantings; then a table of what was named right."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.plantings.examine import examine, planned, printed
from benchmarks.plantings.faults import MODEL, QUALITY
from benchmarks.plantings.tables import SHAPES


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.plantings", description=__doc__)
    options.add_argument("--seeds", type=int, nargs="+", default=[1], help="below 100 to tune on, from 100 on to report")
    options.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES))
    options.add_argument("--rules", nargs="+", choices=("first", "init", "plain"), default=["init", "plain"])
    options.add_argument("--faults", nargs="+", choices=sorted({*QUALITY, *MODEL}), help="these alone, one a monitor")
    options.add_argument("--control", action="store_true", help="the tables without any fault")
    options.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "spark_monitor_plantings")
    return options


def main() -> int:
    """Run what is asked for and print the score; one result a line is kept in DIR/results.jsonl."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    arguments = parser().parse_args()
    from spark_monitor.session import open_session

    spark = open_session(master="local[2]", conf={"spark.sql.shuffle.partitions": "2"})
    results = []
    arguments.dir.mkdir(parents=True, exist_ok=True)
    with (arguments.dir / "results.jsonl").open("a") as kept:
        for task in planned(arguments):
            for one in examine(spark, task, arguments.dir):
                results.append(one)
                kept.write(json.dumps(one) + "\n")
                print(printed(one), flush=True)
    right = sum(one["right"] for one in results)
    print(f"{right} of {len(results)} right.")
    return 0 if right == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
