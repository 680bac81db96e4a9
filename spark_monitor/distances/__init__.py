"""How far two states are apart: pure functions on numpy arrays, each with its error, listed in the catalogue."""

from __future__ import annotations

from spark_monitor.distances.benjamini_hochberg import benjamini_hochberg
from spark_monitor.distances.catalogue import BIN_DISTANCES, CELL_DISTANCES, DISTANCES
from spark_monitor.distances.compare import COLUMNS, compare_categorical, compare_numeric
from spark_monitor.distances.distance import Distance
from spark_monitor.distances.interval import Interval
from spark_monitor.distances.kolmogorov_smirnov import KsResult, ks
from spark_monitor.distances.missing_rate import missing_rate_change
from spark_monitor.distances.reference import Reference

__all__ = [
    "BIN_DISTANCES",
    "CELL_DISTANCES",
    "COLUMNS",
    "DISTANCES",
    "Distance",
    "Interval",
    "KsResult",
    "Reference",
    "benjamini_hochberg",
    "compare_categorical",
    "compare_numeric",
    "ks",
    "missing_rate_change",
]
