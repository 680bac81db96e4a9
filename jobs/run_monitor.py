"""spark-submit's entry: the command line of spark_monitor, with what follows the script's name.

    spark-submit --packages io.delta:delta-spark_4.2_2.13:4.4.0 jobs/run_monitor.py run flights.yaml --as-of 2013-09-23

The session is spark-submit's: its master, its jars (a platform that has Delta Lake needs no --packages) and its settings.
"""

from __future__ import annotations

from spark_monitor.cli import main

if __name__ == "__main__":
    main()
