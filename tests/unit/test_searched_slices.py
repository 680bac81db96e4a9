"""Which crosses and which bins of features the worst slices are looked for in."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind, ReadColumn, ReadSlice
from spark_monitor.stages.searched_slices import (
    MOST_CROSSES,
    MOST_FEATURES,
    bins_of_numbers,
    bins_of_values,
    feature_bins,
    searched_crosses,
)
from spark_monitor.states.categorical import Categories
from spark_monitor.states.grid import Grid
from spark_monitor.text.quoting import slice_key


def monitor(slices: list[Any], search: dict[str, int] | None) -> MonitorConfig:
    return MonitorConfig.model_validate(
        {
            "monitor": "m",
            "model": {"name": "m", "task": "binary"},
            "predictions": {"path": "p", "format": "parquet", "id": "id", "time": "t", "model_version": "v", "score": "s"},
            "baseline": {"path": "p", "format": "parquet"},
            "windows": {"every": "1 day"},
            "slices": slices,
            "outputs": {"path": "o"},
            **({} if search is None else {"worst_slices": search}),
        }
    )


def crosses(slices: list[Any], search: dict[str, int] | None) -> list[str]:
    config = monitor(slices, search)
    read = [ReadSlice(slice_key(one), "x") for one in config.slices]
    return [one.key for one in searched_crosses(config, read)]


def test_pairs_and_triples_that_the_file_does_not_name_are_searched() -> None:
    slices = ["a", "b", ["c", "a"], "c > 1"]
    assert crosses(slices, None) == crosses(slices, {"depth": 1}) == []
    assert crosses(slices, {}) == ["a, b", "a, c > 1", "b, c > 1"]
    assert crosses(["a", "b", ["b", "a"], "c"], {"depth": 3}) == ["a, c", "b, c", "a, b, c"]
    many = [f"x{place}" for place in range(20)]
    assert crosses(many, {"depth": 3}) == [", ".join(pair) for pair in combinations(many, 2)][:MOST_CROSSES]


NUMBERS = {"least": 0.0, "greatest": 9.0, "p25": 1.0, "p50": 2.0, "p75": 3.0}


def bins(
    columns: list[tuple[str, str, Kind]], frozen: dict[str, FrozenColumn], weights: dict[str, float] | None = None
) -> list[str]:
    read = tuple(ReadColumn(name, kind, how, f"`{name}`") for name, kind, how in columns)
    predictions = Predictions(frame=None, columns=read, slices=(ReadSlice("shop", "`shop`"),), version_sql="`v`")
    baseline = Baseline(1, frozen, states=None)
    return [one.key for one in feature_bins(monitor(["shop"], {}), predictions, baseline, weights or {})]


def number(name: str, kind: str = "double", **facts: float) -> FrozenColumn:
    return FrozenColumn(name, kind, Kind.NUMERIC, Grid.of([101.0, 102.0]), facts=NUMBERS | facts)


def test_features_are_searched_that_can_be_cut_and_are_no_slices_answers_or_of_another_type() -> None:
    columns = [(name, "double", Kind.NUMERIC) for name in ("km", "s", "shop", "stuck", "unknown", "days", "zip")]
    columns += [("late", "boolean", Kind.NUMERIC), ("fuel", "string", Kind.CATEGORICAL), ("id", "string", Kind.CATEGORICAL)]
    columns += [("part", "bigint", Kind.NUMERIC), ("at", "timestamp", Kind.NUMERIC), ("blob", "binary", Kind.CATEGORICAL)]
    few = Categories(("gas", "oil"))
    frozen = {
        "km": number("km"),
        "s": number("s"),
        "shop": number("shop"),
        "stuck": number("stuck", greatest=1.0, p50=1.0, p75=1.0),
        "days": number("days", "string"),
        "zip": number("zip", codes=1.0, least=101.0, greatest=102.0),
        "late": number("late", "boolean"),
        "fuel": FrozenColumn("fuel", "string", Kind.CATEGORICAL, categories=few, facts={"complete": 1.0}),
        "id": FrozenColumn("id", "string", Kind.CATEGORICAL, categories=few, facts={"complete": 0.0}),
        "part": number("part", "bigint"),
        "at": number("at", "timestamp"),
        "blob": FrozenColumn("blob", "binary", Kind.CATEGORICAL, categories=few, facts={"complete": 1.0}),
    }
    assert bins(columns, frozen) == ["km", "zip", "late", "fuel", "part"]


def test_features_of_most_importance_are_searched_where_there_are_many() -> None:
    names = [f"x{place:02d}" for place in range(MOST_FEATURES + 3)]
    columns = [(name, "double", Kind.NUMERIC) for name in names]
    frozen = {name: number(name) for name in names}
    assert bins(columns, frozen) == names[:MOST_FEATURES]
    assert bins(columns, frozen, {"x14": 0.5, "x13": 0.7, "gone": 9.0}) == ["x13", "x14", *names[: MOST_FEATURES - 2]]


def test_codes_are_written_as_spark_writes_their_type() -> None:
    codes = {"codes": 1.0, "least": 101.0, "greatest": 102.0}
    for kind, texts in (("bigint", "('101', '102')"), ("double", "('101.0', '102.0')")):
        one = bins_of_values(ReadColumn("zip", kind, Kind.NUMERIC, "`zip`"), number("zip", kind, **codes))
        assert one is not None
        assert f"CAST(`zip` AS STRING) IN {texts}" in one.sql


def test_edges_that_look_alike_are_told_apart() -> None:
    frozen = number("x", p25=1.00000001, p50=1.00000002, p75=2.0)
    one = bins_of_numbers(ReadColumn("x", "double", Kind.NUMERIC, "`x`"), frozen)
    assert one is not None
    assert "'(1.00000001, 1.00000002]'" in one.sql
