"""Slices in which the worst ones are looked for besides those of the monitor's file: their crosses, and features' bins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.sources.baseline import QUARTILES, Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import ReadColumn, ReadSlice, crossed_slices
from spark_monitor.stages.correlation import numeric_features
from spark_monitor.text.quoting import literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

MOST_CROSSES: Final = 50
"""Of more slices the first crosses, those of fewer columns first: each is another key of the states."""

MOST_FEATURES: Final = 12
"""Features of more importance come first, else those that stand first in the table: each is another key of the states."""

MOST_VALUES: Final = 20
"""Strings and codes of more different values are not searched."""

NEW_VALUE: Final = "not in the baseline"


@dataclass(frozen=True)
class SearchedSlices:
    """Slices that have states, for the search, and no rows of their own in `model_metrics`."""

    crosses: tuple[ReadSlice, ...] = ()
    bins: tuple[ReadSlice, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all of them."""
        return frozenset(one.key for one in (*self.crosses, *self.bins))


def searched_slices(
    config: MonitorConfig, predictions: Predictions, baseline: Baseline, importances: Mapping[str, float]
) -> SearchedSlices:
    """What the search looks at besides the slices of the file; nothing where the file asks for no search."""
    if config.worst_slices is None:
        return SearchedSlices()
    crosses = searched_crosses(config, predictions.slices)
    return SearchedSlices(crosses, feature_bins(config, predictions, baseline, importances))


def searched_crosses(config: MonitorConfig, slices: Sequence[ReadSlice]) -> tuple[ReadSlice, ...]:
    """The crosses of single slices up to the search's depth that the file does not name itself; ``slices`` are those it names."""
    if config.worst_slices is None:
        return ()
    named = {frozenset([one] if isinstance(one, str) else one) for one in config.slices}
    singles = [read for one, read in zip(config.slices, slices, strict=True) if isinstance(one, str)]
    crosses = [
        crossed_slices(several)
        for size in range(2, config.worst_slices.depth + 1)
        for several in combinations(singles, size)
        if frozenset(one.key for one in several) not in named
    ]
    return tuple(crosses[:MOST_CROSSES])


def feature_bins(
    config: MonitorConfig, predictions: Predictions, baseline: Baseline, importances: Mapping[str, float]
) -> tuple[ReadSlice, ...]:
    """The features as slices, those of most importance first: numbers by the baseline's quartiles, others of few values by these.

    Not among them are slices of the file, and columns of another type than the baseline's.
    """
    bins = []
    left_out = {config.predictions.prediction, config.predictions.score, *predictions.slice_keys}
    for column in predictions.columns:
        frozen = baseline.columns.get(column.name)
        if frozen is None or column.name in left_out or (frozen.kind, frozen.data_type) != (column.kind, column.data_type):
            continue
        cut = bins_of_numbers(column, frozen) if numeric_features(config, [frozen]) else None
        one = bins_of_values(column, frozen) if cut is None else cut
        bins += [one] if one is not None else []
    return tuple(sorted(bins, key=lambda one: -importances.get(one.key, 0.0))[:MOST_FEATURES])


def bins_of_numbers(column: ReadColumn, frozen: FrozenColumn) -> ReadSlice | None:
    """A number as the quarter of the baseline that it falls in; None for codes, and for what varies too little to be cut.

    >>> from spark_monitor.sources.readers.rows import Kind
    >>> facts = {"least": 0.0, "greatest": 9.0, "p25": 1.0, "p50": 1.0, "p75": 4.5}
    >>> column, frozen = ReadColumn("km", "double", Kind.NUMERIC, "`km`"), FrozenColumn("km", "double", Kind.NUMERIC, facts=facts)
    >>> print(bins_of_numbers(column, frozen).sql.replace(" WHEN", chr(10) + "WHEN"))
    CASE
    WHEN isnan(CAST(`km` AS DOUBLE)) THEN 'NaN'
    WHEN CAST(`km` AS DOUBLE) <= CAST('1.0' AS DOUBLE) THEN '(-inf, 1]'
    WHEN CAST(`km` AS DOUBLE) <= CAST('4.5' AS DOUBLE) THEN '(1, 4.5]'
    WHEN CAST(`km` AS DOUBLE) IS NOT NULL THEN '(4.5, inf)' END
    """
    facts = frozen.facts
    edges = sorted({facts[name] for name in QUARTILES if name in facts and facts[name] < facts["greatest"]})
    if not edges or frozen.codes is not None:
        return None
    number, names = f"CAST({column.sql} AS DOUBLE)", _names(edges)
    bins = zip(edges, ["-inf", *names], names, strict=False)
    parts = (
        f"WHEN {number} <= CAST({literal(repr(edge))} AS DOUBLE) THEN {literal(f'({low}, {high}]')}" for edge, low, high in bins
    )
    last = f"WHEN {number} IS NOT NULL THEN {literal(f'({names[-1]}, inf)')}"
    return ReadSlice(column.name, f"CASE WHEN isnan({number}) THEN 'NaN' {' '.join(parts)} {last} END")


def _names(edges: Iterable[float]) -> list[str]:
    """The edges as people write them, with all their digits where fewer would make two of them one."""
    every = list(edges)
    short = [f"{edge:.6g}" for edge in every]
    return short if len(set(short)) == len(every) else [repr(edge) for edge in every]


def bins_of_values(column: ReadColumn, frozen: FrozenColumn) -> ReadSlice | None:
    """Strings, codes and truths as they are written, one that is new as such; None where the baseline has too many, or one.

    >>> from spark_monitor.sources.readers.rows import Kind
    >>> from spark_monitor.states.categorical import Categories
    >>> kind = Kind.CATEGORICAL
    >>> frozen = FrozenColumn("fuel", "string", kind, categories=Categories(("gas", "oil's")), facts={"complete": 1.0})
    >>> print(bins_of_values(ReadColumn("fuel", "string", kind, "`fuel`"), frozen).sql.replace(" WHEN", chr(10) + "WHEN"))
    CASE
    WHEN CAST(`fuel` AS STRING) IN ('gas', 'oil\\'s') THEN CAST(`fuel` AS STRING)
    WHEN CAST(`fuel` AS STRING) IS NOT NULL THEN 'not in the baseline' END
    """
    text, known = f"CAST({column.sql} AS STRING)", _known_values(frozen)
    if not 2 <= len(known) <= MOST_VALUES:
        return None
    case = f"CASE WHEN {text} IN ({', '.join(map(literal, known))}) THEN {text}"
    return ReadSlice(column.name, f"{case} WHEN {text} IS NOT NULL THEN '{NEW_VALUE}' END")


def _known_values(frozen: FrozenColumn) -> Sequence[str]:
    """The baseline's values of a column as Spark writes them, where all of them are known."""
    if frozen.data_type == "boolean":
        return "false", "true"
    if frozen.codes is not None:
        whole = frozen.data_type not in ("float", "double")
        return [str(int(code)) if whole else str(code) for code in frozen.codes]
    if frozen.categories is None or not frozen.facts.get("complete") or frozen.data_type == "binary":
        return ()
    return frozen.categories.texts


def of_named_slices(states: DataFrame, named: Sequence[str]) -> DataFrame:
    """The states of all rows and of the slices that the monitor's file names, without those that are only searched."""
    return states.where(F.col("slice_key").isNull() | F.col("slice_key").isin(*named))
