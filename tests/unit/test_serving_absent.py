"""What a request log does not tell is no zero, and sentences write counts in full."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.plan import WindowKey, plan_segments
from spark_monitor.kernel.requests import COLUMNS, RequestPlan, RequestTask
from spark_monitor.kernel.serving import ServingPlan, summaries
from spark_monitor.kernel.serving_series import series_measurements

HOUR = 3_600_000_000
TEXTS = ("endpoint", "version", "host", "cluster")


def measured(rows: list[dict[str, Any]], column: str = TABLE_ROW) -> dict[str, dict[str, Any]]:
    """The measurements of one hour of requests, by metric; ``rows`` name what they know."""
    windows, has = (WindowKey("1 hour", 0, HOUR),), frozenset(TEXTS)
    edges, members = plan_segments(windows)
    arrays = [
        pa.array(
            [row.get(name, 0.0 if name == "copies" else None) for row in rows],
            pa.timestamp("us", "UTC") if name == "time" else pa.string() if name in TEXTS else pa.float64(),
        )
        for name in COLUMNS
    ]
    tallies = RequestTask(RequestPlan(edges, members, has)).run(pa.table(arrays, names=list(COLUMNS)).to_batches())
    plan = ServingPlan(windows=windows, has=has, most_endpoints=200, lookback=100 * HOUR)
    summed = [row for batch in summaries(list(tallies), plan) for row in batch.to_pylist() if row["column_name"] == column]
    seed = {**dict.fromkeys(summed[0]), "kind": "seed", "granularity": "1 hour", "start": -1, "column_name": column}
    return {row["metric"]: row for row in series_measurements([seed, *summed], plan) if row["model_version"] is None}


def test_a_log_that_names_no_machine_has_no_number_of_machines() -> None:
    rows = [{"time": place, "requests": 1.0, "endpoint": "score", "host": f"h{place % 3}"} for place in range(9)]
    found = measured([*rows, {"time": 10, "requests": 1.0, "endpoint": "health"}])
    assert found["active_hosts"]["value"] == 3
    clusters = found["active_clusters"]
    assert (clusters["value"], clusters["status"]) == (None, "UNDEFINED")
    assert clusters["message"] == "No row of this window names a cluster."
    health = measured([*rows, {"time": 10, "requests": 1.0, "endpoint": "health"}], "health")["active_hosts"]
    assert (health["status"], health["message"]) == ("UNDEFINED", "No row of this window names a machine.")


@pytest.mark.parametrize("each", [12_345.0, 1e9])
def test_sentences_write_large_counts_in_full(each: float) -> None:
    rows = [{"time": place, "requests": each, "version": "1" if place else None} for place in range(3)]
    assert measured(rows)["requests"]["message"] == f"{each:,.0f} requests name no model version."
