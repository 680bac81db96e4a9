"""A run of a process of its own: ``racing_run.py PATH RUN_ID MODE``, where MODE is ``die`` or ``live``.

It takes the turn of monitor ``raced``, writes three rows, and commits; told to die, it kills itself after the write, as soon as
the file ``waiting`` beside the tables says that another run waits for it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spark_monitor.session import open_session
from spark_monitor.store import Store
from spark_monitor.store.place import Place
from spark_monitor.text.logs import heard_by
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = DueWindow("1 week", Window(START, START + timedelta(weeks=1)))
ROWS = "column_name string, granularity string, log_type string, window struct<start: timestamp, end: timestamp>"


def main(path: Path, run_id: str, mode: str) -> None:
    spark = open_session(master="local[1]", conf={"spark.sql.shuffle.partitions": "1"})
    store = Store(spark, Place(path=str(path)))

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(record.getMessage())
            if "waiting" in record.getMessage():
                (path / "waiting").touch()

    (path / f"ready {run_id}").touch()
    while mode == "live" and not (path / "held").exists():
        time.sleep(0.1)
    about = {"run_id": run_id, "monitor_id": "raced", "as_of": START}
    with heard_by(Waiting()), store.run(about):
        (path / "held").touch()
        rows = [(f"column {i}", "1 week", "INPUT", (WEEK.window.start, WEEK.window.end)) for i in range(3)]
        store.replace_windows("profile_metrics", spark.createDataFrame(rows, ROWS), monitor_id="raced", windows=[WEEK])
        while mode == "die":
            if (path / "waiting").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.1)
        store.finish_run(run_id, status="COMMITTED")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
