"""The catalogue of distances. To add one: a file like its neighbours here, one line below, its expected value in tests/laws."""

from __future__ import annotations

from spark_monitor.distances import (
    chi_squared,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    population_stability,
    total_variation,
    wasserstein,
)
from spark_monitor.distances.distance import Distance
from spark_monitor.distances.reference import Reference
from spark_monitor.distances.sides import Counts

CELL_DISTANCES: tuple[Distance[Reference], ...] = (
    kolmogorov_smirnov.DISTANCE,
    wasserstein.DISTANCE,
)
BIN_DISTANCES: tuple[Distance[Counts], ...] = (
    population_stability.DISTANCE,
    jensen_shannon.DISTANCE,
    hellinger.DISTANCE,
    chi_squared.DISTANCE,
    total_variation.DISTANCE,
    l_infinity.DISTANCE,
)
_ALL: tuple[Distance[Reference] | Distance[Counts], ...] = (*CELL_DISTANCES, *BIN_DISTANCES)
DISTANCES = {entry.name: entry for entry in _ALL}
