"""Every benchmark, each printed as ratios within one run.

python -m benchmarks [readers] [--rows 4000000] [--columns 40] [--repeats 3]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import readers

SUITES = {"readers": readers.main}


def main() -> None:
    """Run the suites that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; all where none is named")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--files-only", action="store_true", help="leave out what goes through the JVM")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "spark_monitor_bench")
    arguments = parser.parse_args()
    for name in arguments.suites or SUITES:
        SUITES[name](arguments)


if __name__ == "__main__":
    main()
