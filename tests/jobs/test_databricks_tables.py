"""Databricks' system tables, by their published columns and with hostile rows, through whole runs, against pandas."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

START, DAYS = pd.Timestamp("2024-03-01", tz="UTC"), 5
AS_OF = datetime(2024, 3, 6, tzinfo=UTC)
ONE_DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
MOMENT, WORDS = pa.timestamp("us", "UTC"), pa.map_(pa.string(), pa.string())
FILE = """
monitor: system
model: {{name: system, task: none}}
predictions: {{path: {0}/predictions, id: id, time: at}}
windows: {{every: 1 day, lookback: 10 days}}
operations: {{path: {0}/serving/{1}, format: databricks}}
pipelines: {{runs: {{path: {0}/lakeflow/{2}, format: databricks}}}}
costs:
  path: {0}/billing/usage
  format: databricks
  tag: "custom_tags['team']"
  budget: {{amount: 500, currency: USD, per: month}}
outputs: {{path: {0}/out}}
"""


def moments(times: Any) -> pa.Array:
    return pa.array([None if pd.isna(one) else pd.Timestamp(one).to_pydatetime() for one in times], MOMENT)


def write(path: Path, **columns: pa.Array) -> None:
    deltalake.write_deltalake(str(path), pa.table(columns))


def usage_of_endpoints(random: np.random.Generator) -> pd.DataFrame:
    """Requests of three entities of two endpoints in no order; some are there twice, have no time or status, or are of later."""
    rows = 4_000
    frame = pd.DataFrame({"at": START + pd.to_timedelta(random.uniform(0, DAYS, rows), unit="D").round("us")})
    frame["id"] = [f"r{number}" for number in range(rows)]
    frame["entity"] = random.choice(["e1", "e2", "e3", "unknown", None], rows, p=[0.4, 0.3, 0.2, 0.05, 0.05])
    frame["status"] = random.choice([200, 429, 500, None], rows, p=[0.85, 0.05, 0.05, 0.05])
    again = frame.sample(200, random_state=2).assign(at=lambda one: one["at"] + pd.Timedelta(minutes=3))
    nameless = frame.sample(50, random_state=3).assign(id=None)
    timeless = frame.sample(20, random_state=4).assign(at=pd.NaT, id="none")
    later = frame.sample(20, random_state=5).assign(at=START + 9 * ONE_DAY, id="later")
    whole = pd.concat([frame, again, nameless, timeless, later]).sample(frac=1, random_state=6, ignore_index=True)
    return whole.assign(at=pd.to_datetime(whole["at"], utc=True))


def counted_once(frame: pd.DataFrame) -> pd.DataFrame:
    """The requests: of those with one id, each that is not within an hour of the one before it."""
    known = frame[frame["at"].notna() & (frame["at"] < START + DAYS * ONE_DAY)].sort_values("at", kind="stable")
    before = known[known["id"].notna()].groupby("id")["at"].shift()
    copies = (known["at"] - before) <= HOUR
    return known[~copies.reindex(known.index, fill_value=False)].assign(day=lambda one: (one["at"] - START) // ONE_DAY)


def write_serving(directory: Path, frame: pd.DataFrame, *, entities: bool) -> None:
    many = len(frame)
    write(
        directory / "endpoint_usage",
        account_id=pa.array(["a"] * many),
        workspace_id=pa.array(["w"] * many),
        databricks_request_id=pa.array(frame["id"], pa.string()),
        requester=pa.array(["someone"] * many),
        status_code=pa.array([None if pd.isna(one) else int(one) for one in frame["status"]], pa.int32()),
        request_time=moments(frame["at"]),
        input_token_count=pa.array([7] * many, pa.int64()),
        usage_context=pa.array([[("k", "v")]] * many, WORDS),
        request_streaming=pa.array([False] * many),
        served_entity_id=pa.array(frame["entity"], pa.string()),
    )
    if entities:
        write(
            directory / "served_entities",
            served_entity_id=pa.array(["e1", "e1", "e2", "e3"]),
            endpoint_name=pa.array(["old name", "scoring", "scoring", "chat"]),
            entity_version=pa.array(["1", "1", "2", None], pa.string()),
            change_time=moments(START + pd.to_timedelta([-9, -2, -3, -4], unit="D")),
        )


def billed_records(random: np.random.Generator) -> pd.DataFrame:
    """Records of hours, of a day and of none, with corrections, copies, and what has no quantity or no price."""
    start = START + pd.to_timedelta(np.repeat(np.arange(-24, DAYS * 24), 2), unit="h")
    frame = pd.DataFrame({"start": start, "end": start + HOUR})
    frame["sku"] = random.choice(["JOBS", "SQL", "FREE"], len(frame), p=[0.5, 0.45, 0.05])
    frame["product"] = frame["sku"].map({"JOBS": "JOBS", "SQL": "SQL", "FREE": "MODEL_SERVING"})
    frame["team"] = random.choice(["x", "y", None], len(frame))
    frame["quantity"] = [Decimal(int(one)) / 10_000 for one in random.integers(1, 90_000, len(frame))]
    frame["kind"] = "ORIGINAL"
    days = START + pd.to_timedelta(np.arange(-1, DAYS), unit="D") + 7 * HOUR  # a record of 24 hours that is not a day's
    stored = pd.DataFrame(
        {"start": days, "end": days + ONE_DAY, "sku": "SQL", "product": "STORAGE", "team": "x", "kind": "ORIGINAL"}
    )
    stored["quantity"] = Decimal("12.5")
    endless = stored.head(3).assign(end=pd.NaT, product="ENDLESS", quantity=Decimal("1.25"))
    backwards = stored.tail(1).assign(end=START, product="BACKWARDS", quantity=Decimal("2.5"))
    frame = pd.concat([frame, stored, endless, backwards], ignore_index=True)
    frame["id"] = [f"u{number}" for number in range(len(frame))]
    frame.loc[frame.sample(15, random_state=1).index, "quantity"] = None
    right = frame[frame["quantity"].notna()].sample(30, random_state=2)
    retracted = right.assign(kind="RETRACTION", quantity=[-one for one in right["quantity"]])
    restated = right.assign(kind="RESTATEMENT", quantity=[one * 2 for one in right["quantity"]])
    return pd.concat([frame, retracted, restated]).sample(frac=1, random_state=3, ignore_index=True)


PRICES = [
    ("JOBS", -400, 2, "0.15"),
    ("JOBS", 2, None, "0.30"),
    ("SQL", -400, None, "0.70"),  # has never been ended, though the next one began
    ("SQL", 3, None, "0.55"),
    ("SQL", 3, None, "0.55"),  # is there twice
]


def write_billing(directory: Path, frame: pd.DataFrame, *, older: bool) -> None:
    twice = pd.concat([frame, frame.sample(40, random_state=9)]).sample(frac=1, random_state=10)
    many = len(twice)
    columns: dict[str, pa.Array] = {
        "record_id": pa.array(twice["id"]),
        "workspace_id": pa.array(["w"] * many),
        "sku_name": pa.array(twice["sku"]),
        "cloud": pa.array(["AWS"] * many),
        "usage_start_time": moments(twice["start"]),
        "usage_end_time": moments(twice["end"]),
        "usage_date": pa.array([one.date() for one in twice["start"]]),
        "custom_tags": pa.array([[] if one is None else [("team", one)] for one in twice["team"]], WORDS),
        "usage_unit": pa.array(["DBU"] * many),
        "usage_quantity": pa.array(twice["quantity"], pa.decimal128(38, 18)),
        "record_type": pa.array(twice["kind"]),
        "billing_origin_product": pa.array(twice["product"]),
    }
    if older:  # before products were told
        del columns["billing_origin_product"]
    write(directory / "usage", **columns)
    price = [{"default": Decimal(one[3]), "effective_list": {"default": Decimal(one[3])}} for one in PRICES]
    amount = pa.decimal128(38, 18)
    kind = pa.struct([("default", amount)] + ([] if older else [("effective_list", pa.struct([("default", amount)]))]))
    write(
        directory / "list_prices",
        price_start_time=moments(START + pd.to_timedelta([one[1] for one in PRICES], unit="D")),
        price_end_time=moments([None if one[2] is None else START + one[2] * ONE_DAY for one in PRICES]),
        sku_name=pa.array([one[0] for one in PRICES]),
        cloud=pa.array(["AWS"] * len(PRICES)),
        currency_code=pa.array(["USD"] * len(PRICES)),
        usage_unit=pa.array(["DBU"] * len(PRICES)),
        pricing=pa.array([{name: one[name] for name in kind.names} if hasattr(kind, "names") else one for one in price], kind),
    )


def priced(frame: pd.DataFrame) -> pd.DataFrame:
    """What each record costs on each day: at the newest price of its start, in proportion to time where it has an end."""
    rows = []
    for one in frame.itertuples():
        valid = [price for price in PRICES if price[0] == one.sku and START + price[1] * ONE_DAY <= one.start]
        known = one.quantity is not None and valid
        cost = float(one.quantity * Decimal(valid[-1][3])) if known else None
        length = None if pd.isna(one.end) or one.end <= one.start else one.end - one.start
        for day in range(-2, DAYS + 2):
            begins, ends = START + day * ONE_DAY, START + (day + 1) * ONE_DAY
            if length is None:
                part = 1.0 if begins <= one.start < ends else 0.0
            else:
                part = max(min(one.end, ends) - max(one.start, begins), pd.Timedelta(0)) / length
            if part:
                told = None if cost is None else cost * part
                rows.append({"day": day, "product": one.product, "sku": one.sku, "team": one.team, "cost": told})
    return pd.DataFrame(rows)


def timeline(random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slices of task runs of two workspaces with the same ids, and the runs that they make up."""
    runs, slices = [], []
    for day in range(DAYS):
        for workspace in ("w1", "w2"):
            for task, tries in (("features", 1), ("train", int(random.integers(1, 4)))):
                at = START + day * ONE_DAY + pd.Timedelta(minutes=int(random.integers(0, 600)))
                for attempt in range(tries):
                    length = pd.Timedelta(minutes=int(random.integers(5, 150)))
                    state = (
                        "SUCCEEDED" if attempt == tries - 1 else random.choice(["FAILED", "TIMED_OUT", "CANCELLED", "BLOCKED"])
                    )
                    run = {"task": task, "workspace": workspace, "job": f"j{day}", "run": f"{task}{day}{attempt}"}
                    runs.append({**run, "began": at, "ended": at + length, "state": state, "attempt": attempt + 1})
                    edges = [at, *pd.date_range(at.ceil("h"), at + length, freq="h"), at + length]
                    edges = sorted(set(edges))
                    for low, high in pairwise(edges):
                        slices.append({**run, "began": low, "ended": high, "state": state if high == at + length else None})
                    at += length + pd.Timedelta(minutes=1)
    frame = pd.DataFrame(slices)
    return pd.concat([frame, frame.sample(20, random_state=1)]).sample(frac=1, random_state=2), pd.DataFrame(runs)


def write_timeline(directory: Path, slices: pd.DataFrame, *, older: bool) -> None:
    write(
        directory / "job_task_run_timeline",
        workspace_id=pa.array(slices["workspace"]),
        job_id=pa.array(slices["job"]),
        run_id=pa.array(slices["run"]),
        # Rows of before August 2024 do not say of which run of the job they are.
        job_run_id=pa.array([None if older else one for one in slices["job"]], pa.string()),
        period_start_time=moments(slices["began"]),
        period_end_time=moments(slices["ended"]),
        task_key=pa.array(slices["task"]),
        result_state=pa.array(slices["state"], pa.string()),
    )


def rows_of(result: Any) -> pd.DataFrame:
    rows = result.metrics.selectExpr("*", "unix_micros(window.start) AS start").where("granularity = '1 day'").collect()
    found = pd.DataFrame([row.asDict() for row in rows])
    found["day"] = (pd.to_datetime(found["start"], unit="us", utc=True) - START) // ONE_DAY
    return found[found["day"].between(0, DAYS - 1)]


@pytest.mark.parametrize("older", [False, True])
def test_every_number_of_hostile_system_tables_is_pandas(spark: SparkSession, tmp_path: Path, older: bool) -> None:
    random = np.random.default_rng(7)
    at = START + pd.to_timedelta(np.arange(100) / 20, unit="D")
    write(tmp_path / "predictions", id=pa.array(range(100)), at=moments(at))
    log = usage_of_endpoints(random)
    write_serving(tmp_path / "serving", log, entities=not older)
    records = billed_records(random)
    write_billing(tmp_path / "billing", records, older=older)
    slices, runs = timeline(random)
    write_timeline(tmp_path / "lakeflow", slices, older=older)
    (tmp_path / "system.yaml").write_text(FILE.format(tmp_path, "endpoint_usage", "job_task_run_timeline"), encoding="utf-8")
    monitor = Monitor.load(tmp_path / "system.yaml")
    assert [str(finding) for finding in monitor.check(spark) if finding.level == "error"] == []
    found = rows_of(monitor.run(spark, as_of=AS_OF))

    compared = of_serving(found, log, older=older) + of_steps(found, runs, older=older) + of_costs(found, records, older=older)
    assert compared > 190, compared
    print(f"{compared} numbers compared")


def value(found: pd.DataFrame, metric: str, day: int, column: str, version: str | None = None) -> pd.Series:
    chosen = found[(found["metric"] == metric) & (found["day"] == day) & (found["column_name"] == column) & found["class"].isna()]
    chosen = chosen[chosen["model_version"].isna() if version is None else chosen["model_version"] == version]
    assert len(chosen) == 1, (metric, day, column, version, len(chosen))
    return chosen.iloc[0]


def of_serving(found: pd.DataFrame, log: pd.DataFrame, *, older: bool) -> int:
    requests = counted_once(log)
    names = {"e1": ("scoring", "1"), "e2": ("scoring", "2"), "e3": ("chat", None)}
    told = {} if older else names
    requests["endpoint"] = [told.get(one, (one, None))[0] for one in requests["entity"]]
    requests["version"] = [told.get(one, (None, None))[1] for one in requests["entity"]]
    compared = 0
    for day in range(DAYS):
        of_day = requests[requests["day"] == day]
        parts = [(":table", None, of_day)]
        parts += [(name, None, rows) for name, rows in of_day.groupby("endpoint")]
        parts += [(":table", version, rows) for version, rows in of_day.groupby("version")]
        parts += [(name, version, rows) for (name, version), rows in of_day.groupby(["endpoint", "version"])]
        for column, version, rows in parts:
            known = rows["status"].notna()
            numbers = {
                "requests": len(rows),
                "failed_requests": (rows["status"] >= 400).sum(),
                "failure_rate": (rows["status"][known].astype(int) >= 400).mean(),
                "requests_per_second_max": rows["at"].dt.floor("s").value_counts().max(),
            }
            for metric, exact in numbers.items():
                row = value(found, metric, day, column, version)
                assert row["value"] == pytest.approx(float(exact)), (metric, day, column, version)
                assert row["lower"] <= row["value"] <= row["upper"]
                compared += 1
    return compared


def of_steps(found: pd.DataFrame, runs: pd.DataFrame, *, older: bool) -> int:
    runs = runs.assign(day=(runs["ended"] - START) // ONE_DAY, seconds=(runs["ended"] - runs["began"]).dt.total_seconds())
    compared = 0
    for (day, task), rows in runs.groupby(["day", "task"]):
        if day >= DAYS:
            continue
        retries = 0 if older else int((rows["attempt"] > 1).sum())
        numbers = {
            "step_seconds": rows["seconds"].mean(),
            "step_failures": (rows["state"] != "SUCCEEDED").sum(),
            "step_retries": retries,
        }
        for metric, exact in numbers.items():
            row = value(found, metric, day, task)
            assert row["value"] == pytest.approx(float(exact)), (metric, day, task)
            assert row["count"] == len(rows)
            compared += 1
    return compared


def of_costs(found: pd.DataFrame, records: pd.DataFrame, *, older: bool) -> int:
    costs = priced(records)
    costs["service"] = costs["sku"] if older else costs["product"]
    compared, spent = 0, 0.0
    for day in range(DAYS):
        of_day = costs[costs["day"] == day]
        parts = [(":table", of_day), *((name, rows) for name, rows in of_day.groupby("service"))]
        parts += [(f"tag={name}", rows) for name, rows in of_day.groupby("team")]
        for column, rows in parts:
            row = value(found, "cost", day, column)
            if rows["cost"].notna().any():
                assert row["value"] == pytest.approx(rows["cost"].sum(), rel=1e-9), (day, column)
                assert row["unit"] == "USD"
                assert row["count"] == rows["cost"].notna().sum()
            else:
                assert pd.isna(row["value"])
            unread = rows["cost"].isna().sum()
            assert (f"The amounts of {unread} of {len(rows)} rows" in (row["message"] or "")) == bool(unread), (
                day,
                column,
                row["message"],
            )
            compared += 2
        spent += of_day["cost"].sum()
        used = value(found, "budget_used_percent", day, ":table")
        assert used["value"] == pytest.approx(100 * spent / 500, rel=1e-9)
        per = value(found, "cost_per_1000_predictions", day, ":table")
        assert per["value"] == pytest.approx(1000 * of_day["cost"].sum() / 20, rel=1e-9)
        compared += 2
    return compared
