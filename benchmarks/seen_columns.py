"""What a run would see of a column, from values alone: the product's states, its quality metrics and its looks. No Spark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.commands.quality_guesses import guess_quality
from spark_monitor.config.quality import NAMED_FORMATS
from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence, Look, Measured
from spark_monitor.kernel.checks import PARSES, ColumnChecks, matches, text_flags
from spark_monitor.quality.codes import are_codes
from spark_monitor.quality.column_block import ColumnBlock
from spark_monitor.quality.permutation import category_permutation
from spark_monitor.quality.unit_factor import unit_factor
from spark_monitor.quality.variation import is_stuck
from spark_monitor.stages.evidence import look_of
from spark_monitor.stages.first_pass import grid_of, integers_of
from spark_monitor.states.categorical import MAX_CATEGORIES, CategoricalState, freeze_categories
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.presented import present

LEAST_PERCENT: Final = 2.0
"""A percentage beyond it breaks the rules that `init` writes."""

NUMBERS: Final = 0.9


def named(name: str, baseline: pa.Array, before: pa.Array, now: pa.Array) -> Finding:
    """What the product names the change of a column; ``before`` is the window before, which nothing was done to."""
    evidence, failing = seen(name, baseline, before, now)
    return finding_of(evidence, failing)


def seen(name: str, baseline: pa.Array, before: pa.Array, now: pa.Array) -> tuple[Evidence, frozenset[str]]:
    """The evidence of a window, and the metrics that fail there."""
    is_text = pa.types.is_string(baseline.type)
    states = _texts(baseline, before, now) if is_text else _numbers(baseline, before, now)
    rows = [present(state) for state in states]
    looks = [_look(row) for row in rows]
    blocks = [_block(row, is_text=is_text) for row in rows]
    quality = _measured(blocks[0], blocks[2])
    quality |= _counted(name, baseline, now) if is_text else _codes(name, states, now)
    failing = {metric for metric, one in quality.items() if metric.startswith("percent_") and one.value > LEAST_PERCENT}
    failing |= {metric for metric in ("is_stuck", "category_permutation") if quality.get(metric, Measured(0.0)).value > 0}
    evidence = Evidence(looks[2], looks[0], looks[1], quality, name)
    failing |= {"percent_null_delta"} if looks[2].percent_null - looks[0].percent_null > LEAST_PERCENT else set()
    return evidence, frozenset(failing | {"population_stability_index" if is_text else "ks"})


def _numbers(*parts: pa.Array) -> list[NumericState]:
    values = [np.asarray(part.drop_null(), dtype=np.float64) for part in parts]
    grid = grid_of(NumericState.empty(Grid.trivial()).update(values[0]))
    return [NumericState.empty(grid).update(numbers, nulls=part.null_count) for part, numbers in zip(parts, values, strict=True)]


def _texts(*parts: pa.Array) -> list[CategoricalState]:
    first = CategoricalState.empty(freeze_categories([])).update(parts[0])
    categories = freeze_categories(list(first.frequent.counts.items()))
    return [CategoricalState.empty(categories).update(part) for part in parts]


def _look(row: dict[str, Any]) -> Look:
    names = ("count", "num_nulls", "status", "message", "avg", "stddev", "min", "max", "quantiles", "distinct_count")
    names = (*names, "max_length", "avg_length", "frequent_items")
    return look_of({name: row.get(name) for name in names})


def _block(row: dict[str, Any], *, is_text: bool) -> ColumnBlock:
    def number(name: str) -> np.ndarray:
        return np.array([np.nan if row.get(name) is None else float(row[name])])

    quantiles = np.array([row.get("quantiles") or [np.nan] * 101], dtype=np.float64)
    return ColumnBlock(
        count=np.array([row["count"]]),
        nulls=np.array([row["num_nulls"]]),
        numeric=np.array([not is_text]),
        codes=np.array([False]),
        min=number("min"),
        max=number("max"),
        mean=number("avg"),
        stddev=number("stddev"),
        distinct_count=number("distinct_count"),
        empties=number("num_empty"),
        quantiles=quantiles,
        items=[[(item["item"], item["count"]) for item in row.get("frequent_items") or () if item["item"] is not None]],
    )


def _measured(baseline: ColumnBlock, now: ColumnBlock) -> dict[str, Measured]:
    quality = {}
    for metric in (unit_factor, is_stuck, category_permutation):
        result = metric(now, baseline)
        if result.status is None or result.status[0] == "OK":
            details = result.details[0] if result.details is not None and result.details[0] else {}
            quality[metric.__name__] = Measured(float(result.value[0]), details)
    return quality


def _codes(name: str, states: Sequence[Any], now: pa.Array) -> dict[str, Measured]:
    """What is held against numbers that are names."""
    numbers = integers_of(states[0])
    if not are_codes(name, numbers):
        return {}
    strange = ~np.isin(np.asarray(now.drop_null(), dtype=np.float64), numbers)
    return {"percent_unseen": Measured(100.0 * float(strange.sum()) / len(now))}


def _counted(name: str, baseline: pa.Array, now: pa.Array) -> dict[str, Measured]:
    """What is held against the strings of a window, by the formats that `init` proposes of the baseline."""
    usual = baseline.drop_null()
    guesses = [one for one in guess_quality(pa.table({name: usual.slice(0, 10_000)})) if one.section == "formats"]
    pattern = NAMED_FORMATS.get(guesses[0].value, guesses[0].value) if guesses else None
    distinct = usual.unique().to_pylist()
    checks = ColumnChecks(
        pattern=pattern,
        parses=bool(matches(usual, PARSES).mean() >= NUMBERS),
        expected=tuple(distinct) if len(distinct) <= MAX_CATEGORIES else None,
    )
    flags = text_flags(now.drop_null(), checks)
    names = {"format_mismatch", "unparsable", "unseen", "whitespace", "mojibake"} & (checks.counted | {"whitespace", "mojibake"})
    counts = {one: float(flags[one].sum()) if one in flags else 0.0 for one in names}
    empty = float(sum(text == "" for text in now.to_pylist()))
    return {f"percent_{one}": Measured(100.0 * count / len(now)) for one, count in {**counts, "empty": empty}.items()}
