"""A run in a process of its own that kills itself at a named point: `TABLE:before`, `TABLE:inside` or `TABLE:after`.

`TABLE:unnamed` and `TABLE:named` are within a write of a local directory: its files are there, before or right after its commit.

python dying_run.py MONITOR_FILE AS_OF [POINT]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from spark_monitor import Monitor
from spark_monitor.session import open_session
from spark_monitor.store.direct_tables import DirectTables
from spark_monitor.store.tables import Store
from spark_monitor.windowing.windows import parse_timestamp

INSIDE_SECONDS = 0.7
WITHIN = {"unnamed": "before", "named": "after"}


def die() -> None:
    """Kill -9, as the machine's end would."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying(write: Callable[..., Any], name_of: Callable[..., str], table: str, moment: str) -> Callable[..., Any]:
    """A write that does not survive its moment."""

    def written(*arguments: Any, **options: Any) -> Any:
        if name_of(*arguments) != table:
            return write(*arguments, **options)
        if moment == "before":
            die()
        if moment == "inside":
            threading.Timer(INSIDE_SECONDS, die).start()
        found = write(*arguments, **options)
        die()
        return found

    return written


def main() -> None:
    """Run, and die where asked."""
    file, as_of, point = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
    if point:
        table, moment = point.split(":")
        if table == "runs":
            Store.finish_run = dying(Store.finish_run, lambda *_: "runs", table, moment)  # type: ignore[method-assign]
        elif moment in WITHIN:
            for commit in ("name_files", "overwrite"):
                dies = dying(getattr(DirectTables, commit), lambda *given: given[1], table, WITHIN[moment])
                setattr(DirectTables, commit, dies)
        else:
            DirectTables.replace = dying(DirectTables.replace, lambda *given: given[1].name, table, moment)  # type: ignore[method-assign]
    spark = open_session(master="local[2]", conf={"spark.sql.shuffle.partitions": "2"})
    result = Monitor.load(file).run(spark, as_of=parse_timestamp(as_of))
    print(result.status, flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
