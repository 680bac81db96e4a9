"""Every benchmark, each printed as ratios within one run."""

from __future__ import annotations

from benchmarks.spark_reader import main

if __name__ == "__main__":
    main()
