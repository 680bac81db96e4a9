"""Whether delta-rs is here, in a version whose answers the pyarrow beside it understands."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import pyarrow as pa

LEAST_RELEASE: Final = 1


@lru_cache(maxsize=1)  # looking through what is installed takes half a second
def has_delta_rs() -> bool:
    """Whether delta-rs can find and commit files: its strings come as views, which pyarrow reads from release 16 on."""
    try:
        return int(version("deltalake").split(".")[0]) >= LEAST_RELEASE and hasattr(pa, "string_view")
    except PackageNotFoundError:
        return False
