"""Every benchmark, each printed as ratios within one run.

python -m benchmarks [readers] [peers] [growth] [memory] [jobs] [whole] [states] [beside] [kernel] [false_alarms] [label_priors]
    [named_faults] [undisturbed] [small] [many_states] [operations] [labels] [model_metrics]
    [--rows 4000000] [--columns 40] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from importlib import import_module
from pathlib import Path

SUITES = (
    "readers",
    "peers",
    "growth",
    "memory",
    "jobs",
    "whole",
    "states",
    "beside",
    "kernel",
    "false_alarms",
    "label_priors",
    "named_faults",
    "undisturbed",
    "small",
    "many_states",
    "operations",
    "labels",
    "model_metrics",
)


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; all where none is named")
    options.add_argument("--rows", type=int, default=4_000_000, help="rows of the largest table")
    options.add_argument("--columns", type=int, default=40)
    options.add_argument("--repeats", type=int, default=3, help="turns that count")
    options.add_argument("--files-only", action="store_true", help="leave out what goes through the JVM")
    options.add_argument("--spark", action="store_true", help="growth: the Spark reader too, at the smaller points")
    options.add_argument("--only", nargs="+", metavar="NAME", help="growth: these families; memory: these cases")
    options.add_argument("--docs", action="store_true", help="write the plots into docs/performance as well")
    options.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "spark_monitor_bench", help="for the data")
    options.add_argument("--output", type=Path, default=Path("bench-output"), help="for the plots")
    return options


def main() -> None:
    """Run the suites that are named, or all."""
    asking = parser()
    arguments = asking.parse_args()
    unknown = [name for name in arguments.suites if name not in SUITES]
    if unknown:
        asking.error(f"unknown suites: {', '.join(unknown)}. Known: {', '.join(SUITES)}.")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for name in arguments.suites or SUITES:
        print(f"-- {name} --", flush=True)
        import_module(f"benchmarks.{name}").main(arguments)


if __name__ == "__main__":
    main()
