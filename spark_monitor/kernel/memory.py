"""How a worker, which does many tasks one after the other, treats its memory."""

from __future__ import annotations

import ctypes
import gc
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The numbers of ``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` in glibc's malloc.h."""

LARGEST_KEPT = 16 << 20
MOST_KEPT = 128 << 20


@cache
def keep_freed_memory() -> bool:
    """Let this process use freed arrays of up to ``LARGEST_KEPT`` bytes again instead of handing each back to the system.

    A chunk's arrays take about two megabytes each. By default glibc's malloc takes such an array from the system and returns it
    when it is freed, so every new array is paid for page by page: a quarter of the time of a profile with slices. No more than
    ``MOST_KEPT`` bytes stay unused. Where the allocator is another one, nothing is changed and the
    answer is False. Source: mallopt(3).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, MOST_KEPT))


@cache
def leave_imports_alone() -> None:
    """Take what this process has imported out of the garbage collector's rounds.

    Spark's Python workers collect garbage after every task, and a round over the hundred thousands of objects that numpy, pyarrow
    and Spark's own modules are made of takes longer than a small task. What is garbage by then stays, once for each process.
    """
    gc.collect()
    gc.freeze()
