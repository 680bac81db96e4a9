"""Columns that hold each other's values, as when a separator is lost or two fields are read in another order."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import FAIL, WHOLE, Group
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey, Look
from spark_monitor.diagnosis.percentiles import distance
from spark_monitor.diagnosis.subjects import MISSING, VALUES
from spark_monitor.text.formatting import harmless

LEAST_ROWS: Final = 50
APART, SAME = 0.4, 0.04
"""A column holds another's values where it lies so far from its own baseline, and so near the other's, beside noise."""

BESIDE_OTHERS: Final = 0.12
"""Beside columns that hold each other's values, one that is like another to begin with need not have moved further."""

LEAST_COLUMNS: Final = 2
MOST_COLUMNS: Final = 200
"""Of more columns that fail in one window the first are compared with each other, as every pair costs."""

COLUMNS_NAMED: Final = 3


def exchanged(groups: Iterable[Group], evidence: Mapping[EvidenceKey, Evidence]) -> dict[tuple[str, int], Finding]:
    """By column and start of the window: the finding of columns that hold another failing column's values, of two at least."""
    windows: dict[tuple[str, int], dict[str, Evidence]] = defaultdict(dict)
    for group in groups:
        if group.state != FAIL or group.track not in (VALUES, MISSING) or group.column is None:
            continue
        version = group.failing[0].version
        column_evidence = evidence.get((group.column, group.start, version, WHOLE))
        if column_evidence is not None and _is_told(column_evidence.now) and _is_told(column_evidence.baseline):
            windows[group.granularity, group.start][group.column] = column_evidence
    findings: dict[tuple[str, int], Finding] = {}
    for (_, start), columns in windows.items():
        sources = _sources(dict(list(columns.items())[:MOST_COLUMNS]))
        if len(sources) >= LEAST_COLUMNS:
            alike = _sources(columns, apart=BESIDE_OTHERS)
            named = list((alike | sources).items())
            more = f" and {len(named) - COLUMNS_NAMED} more" if len(named) > COLUMNS_NAMED else ""
            pairs_shown = ", ".join(f"{harmless(name)} those of {harmless(other)}" for name, other in named[:COLUMNS_NAMED])
            what = f"they hold each other's values ({pairs_shown}{more})"
            finding = Finding("schema_change", what, "columns were shifted or exchanged", evidence="quantiles")
            moved = [
                name
                for name, column_evidence in columns.items()
                if name in sources or name in alike or _is_apart(column_evidence)
            ]
            findings |= {(name, start): finding for name in moved}
    return findings


def _is_told(look: Look | None) -> bool:
    return look is not None and len(look.quantiles) == 101 and look.filled >= LEAST_ROWS


def _is_apart(evidence: Evidence) -> bool:
    """Whether a column that fails beside exchanged ones is so far off that it is one of them, whose values it may hold."""
    if evidence.now is None or evidence.baseline is None:
        return False
    return distance(np.array(evidence.baseline.quantiles), np.array(evidence.now.quantiles)) >= APART


def _sources(columns: Mapping[str, Evidence], *, apart: float = APART) -> dict[str, str]:
    """Which other column's values a column holds."""
    now = {name: np.array(evidence.now.quantiles) for name, evidence in columns.items() if evidence.now is not None}
    was = {name: np.array(evidence.baseline.quantiles) for name, evidence in columns.items() if evidence.baseline is not None}
    rows = {name: evidence.now.filled for name, evidence in columns.items() if evidence.now is not None}
    nearest_names = {}
    for name, values in now.items():
        if distance(was[name], values) < apart:
            continue
        left = {other: distance(was[other], values) for other in was if other != name}
        nearest = min(left, key=lambda other: (left[other], other), default=None)
        if nearest is not None and left[nearest] <= SAME + 1 / math.sqrt(rows[name]):
            nearest_names[name] = nearest
    return nearest_names
