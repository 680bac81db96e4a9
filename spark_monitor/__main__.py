"""`python -m spark_monitor`: the command line where no program `spark-monitor` is on PATH."""

from __future__ import annotations

from spark_monitor.cli import main

if __name__ == "__main__":
    main()
