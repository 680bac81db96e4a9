"""What every number is computed for: the names that stand in keys."""

from __future__ import annotations

TABLE_ROW = ":table"
