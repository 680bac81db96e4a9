"""People told of a monitor's incidents in a process of its own, which others may kill: MONITOR_FILE AS_OF."""

from __future__ import annotations

import sys

from spark_monitor import Monitor
from spark_monitor.outputs.publish import tell_people
from spark_monitor.session import open_session
from spark_monitor.windowing.windows import parse_timestamp


def main() -> None:
    """Tell, and say how many messages were taken."""
    monitor, as_of = Monitor.load(sys.argv[1]), parse_timestamp(sys.argv[2])
    spark = open_session(master="local[1]", conf={"spark.sql.shuffle.partitions": "1"})
    taken = tell_people(monitor.store(spark), monitor.config, as_of=as_of, run_id="told")
    print(f"taken: {taken}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
