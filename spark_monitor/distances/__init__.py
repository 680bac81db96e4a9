"""How far two states are apart: drift metrics on blocks of states, each with its error, one file each, found by the catalogue."""

from __future__ import annotations

from spark_monitor.distances.benjamini_hochberg import benjamini_hochberg
from spark_monitor.distances.compare import compare_categorical, compare_numeric
from spark_monitor.distances.interval import Interval
from spark_monitor.distances.kolmogorov_smirnov import ks

__all__ = ["Interval", "benjamini_hochberg", "compare_categorical", "compare_numeric", "ks"]
