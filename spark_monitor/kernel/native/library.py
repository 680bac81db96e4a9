"""The compiled kernel, loaded where it is there and wanted; else the reason why numpy does the work."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.kernel.native.build import LIBRARY, source_stamp, sources

VARIABLE = "SPARK_MONITOR_KERNEL"
AUTO, NUMPY, NATIVE = "auto", "numpy", "native"
CHOICES = (AUTO, NUMPY, NATIVE)
_SIZE, _REAL, _HASH, _ARRAY = ctypes.c_int64, ctypes.c_double, ctypes.c_uint64, ctypes.c_void_p
_TABLE = (_SIZE, _REAL, _REAL, _SIZE, _SIZE, _ARRAY, _SIZE)
SIGNATURES = {
    "sm_present": (_ARRAY, _ARRAY, _SIZE, _ARRAY),
    "sm_sorted": (_ARRAY, _SIZE, _ARRAY, _SIZE, _HASH, _SIZE, _SIZE, *(_ARRAY,) * 4),
    "sm_counted": (_ARRAY, _ARRAY, _SIZE, _ARRAY, _ARRAY),
    "sm_short": (_ARRAY, _ARRAY, _SIZE, _ARRAY, _ARRAY),
    "sm_finite": (_ARRAY, _ARRAY, _SIZE, _ARRAY, _ARRAY),
    "sm_scan": (_ARRAY, _SIZE, _SIZE, _HASH, _SIZE, *(_ARRAY,) * 5),
    "sm_ranked": (_ARRAY, _ARRAY, _ARRAY, _SIZE, _ARRAY, *(_SIZE,) * 4, *(_ARRAY,) * 9),
    "sm_part": (_ARRAY, _ARRAY, _SIZE, _ARRAY, _SIZE, *_TABLE, _HASH, _ARRAY, _ARRAY, _ARRAY),
    "sm_key": (_ARRAY, _ARRAY, _ARRAY, _SIZE, _REAL, _SIZE, _SIZE, _SIZE, *(_ARRAY,) * 4),
    "sm_hashes_between": (_ARRAY, _ARRAY, _ARRAY, _SIZE, _SIZE, *(_ARRAY,) * 4),
}
ERRORS = {-1: "a size is out of range", -2: "a slice value has no number here", -3: "a cell is not the grid's"}


@dataclass(frozen=True)
class Library:
    """The functions of the compiled kernel; ctypes gives Python's lock away while one runs."""

    functions: Any

    def call(self, name: str, *arguments: float | np.ndarray | None) -> int:
        """Call a function on numbers and arrays; a StateError where it refuses them."""
        plain = [_address(one) if isinstance(one, np.ndarray) else one for one in arguments]
        result = int(getattr(self.functions, name)(*plain))
        if result < 0:
            raise StateError(f"compiled kernel: {name} refused its arguments, {ERRORS.get(result, result)}.")
        return result


def _address(array: np.ndarray) -> int:
    if not array.flags.c_contiguous:
        raise StateError("compiled kernel: an array's values do not lie side by side.")
    return int(array.__array_interface__["data"][0])


@cache
def loaded() -> Library | str:
    """The library, or why there is none."""
    if not LIBRARY.exists():
        return f"{LIBRARY.name} was not compiled; `make setup`, or `python -m spark_monitor.kernel.native.build`, does it"
    try:
        functions = ctypes.CDLL(str(LIBRARY))
        functions.sm_source.restype = ctypes.c_uint32
        if sources() and functions.sm_source() != source_stamp():
            return f"{LIBRARY.name} was compiled from another source; compile it again"
        for name, arguments in SIGNATURES.items():
            function = getattr(functions, name)
            function.argtypes, function.restype = arguments, ctypes.c_int64
    except (OSError, AttributeError) as error:
        return f"{LIBRARY.name} cannot be loaded here ({error})"
    return Library(functions)


def asked() -> str:
    """Which kernel the environment asks for; a StateError where it asks for an unknown one."""
    choice = os.environ.get(VARIABLE, "").strip() or AUTO
    if choice not in CHOICES:
        raise StateError(f"{VARIABLE}={choice}: unknown. Known: {', '.join(CHOICES)}.")
    return choice


def library(choice: str = AUTO) -> Library | None:
    """The library where it is to be used, None for numpy; a StateError where it is asked for by name and not there."""
    if choice == NUMPY:
        return None
    outcome = loaded()
    if isinstance(outcome, Library):
        return outcome
    if choice == NATIVE:
        raise StateError(f"{VARIABLE}={NATIVE}: {outcome}.")
    return None


def in_use() -> str:
    """Which kernel does the work in this process, and why, for a person.

    >>> in_use().split()[0] in ("compiled", "numpy")
    True
    """
    if asked() == NUMPY:
        return f"numpy ({VARIABLE}={NUMPY})"
    outcome = loaded()
    return f"numpy ({outcome})" if isinstance(outcome, str) else "compiled"
