"""What every number is computed for: the names that stand in keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


TABLE_ROW = ":table"
