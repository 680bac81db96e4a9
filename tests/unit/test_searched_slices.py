"""Which crosses the worst slices are looked for in."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.sources.readers.rows import ReadSlice
from spark_monitor.stages.searched_slices import MOST_CROSSES, searched_crosses
from spark_monitor.text.quoting import slice_key


def crosses(slices: list[Any], search: dict[str, int] | None) -> list[str]:
    config = MonitorConfig.model_validate(
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
    read = [ReadSlice(slice_key(one), "x") for one in config.slices]
    return [one.key for one in searched_crosses(config, read)]


def test_pairs_and_triples_that_the_file_does_not_name_are_searched() -> None:
    slices = ["a", "b", ["c", "a"], "c > 1"]
    assert crosses(slices, None) == crosses(slices, {"depth": 1}) == []
    assert crosses(slices, {}) == ["a, b", "a, c > 1", "b, c > 1"]
    assert crosses(["a", "b", ["b", "a"], "c"], {"depth": 3}) == ["a, c", "b, c", "a, b, c"]
    many = [f"x{place}" for place in range(20)]
    assert crosses(many, {"depth": 3}) == [", ".join(pair) for pair in combinations(many, 2)][:MOST_CROSSES]
