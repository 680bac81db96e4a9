"""What a worker does about its memory."""

from __future__ import annotations

import gc
import weakref

from spark_monitor.kernel.memory import leave_imports_alone


class Node:
    """Something that can refer to itself."""

    def __init__(self) -> None:
        self.own = self


def test_what_comes_after_the_imports_is_still_collected() -> None:
    try:
        leave_imports_alone.__wrapped__()
        frozen = gc.get_freeze_count()
        found = weakref.ref(Node())
        assert found() is not None
        gc.collect()
        assert found() is None
        assert frozen > 10_000
    finally:
        gc.unfreeze()
