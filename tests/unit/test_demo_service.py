"""The demo's log, steps and bill hold what they are said to hold: the three faults, and nothing else that would be one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from spark_monitor.demo import service


def predictions() -> pa.Table:
    times = pd.date_range("2013-01-01", "2013-12-31", freq="20min", tz="UTC").as_unit("us")
    versions = np.where(times >= pd.Timestamp("2013-06-01", tz="UTC"), "2", "1")
    return pa.table({"predicted_at": pa.array(times, pa.timestamp("us", "UTC")), "model_version": pa.array(versions)})


def test_every_prediction_is_a_request_and_one_host_is_slow_for_a_week() -> None:
    log = service.serving_log(predictions(), {"1": np.array([5.0, 6.0]), "2": np.array([9.0])}).to_pandas()
    assert len(log) == predictions().num_rows
    slow = log[log["latency"] > 1000]
    assert set(slow["host"]) == {service.SLOW_HOST}
    assert (slow["at"] >= service.SLOW_FROM).all()
    assert (slow["at"] < service.SLOW_TO).all()
    assert set(log["endpoint"]) == {"flights-v1", "flights-v2"}


def test_one_step_did_not_run_one_night() -> None:
    runs = service.step_runs().to_pandas()
    nights = runs.groupby("task")["started"].apply(lambda times: set(times.dt.floor("D")))
    assert nights["score"] - nights["features"] == {service.MISSED_NIGHT}
    assert (runs["ended"] > runs["started"]).all()


def test_one_service_doubles_its_price() -> None:
    bill = service.bill(predictions()).to_pandas()
    dear = bill[bill["service"] == service.DEAR_SERVICE].set_index("day")["amount"]
    before, after = dear[dear.index < service.DEAR_FROM], dear[dear.index >= service.DEAR_FROM]
    assert 1.9 < after.min() / before.max() * 1.06 < 2.1
    assert set(bill["currency"]) == {"EUR"}
