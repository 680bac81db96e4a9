"""Tables beside the predictions that are gone since a run: what needs them says so, everything else goes on, and heals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.api.monitor import RunResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 200
KEYS = ["day", "model_version", "slice_key", "slice_value", "metric", "class", "basis"]
TABLES = ("baselines", "profile_states", "profile_metrics", "drift_metrics", "model_states", "model_metrics", "metrics", "checks")
OF_ONE_RUN = {"run_id", "monitor_id", "checksum", "as_of"}
OF_THE_LAST_WINDOW_OF_A_RUN = {"freshness_hours", "columns_missing", "columns_added", "columns_retyped"}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def write(frame: pd.DataFrame, place: Path) -> None:
    place.mkdir(exist_ok=True)
    frame.to_parquet(place / "part.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)


def tables(place: Path, days: int) -> None:
    dice = np.random.default_rng(6)
    rows = days * ROWS
    at = pd.Timestamp(START) + pd.to_timedelta(np.arange(rows) * 86_400 / ROWS, unit="s")
    x = dice.normal(size=rows)
    scores = 1 / (1 + np.exp(-x))
    write(
        pd.DataFrame({"id": np.arange(rows), "at": at, "x": x, "score": scores, "part": dice.choice(["a", "b"], rows)}),
        place / "rows",
    )
    known = at + pd.Timedelta(hours=30)
    write(
        pd.DataFrame({"id": np.arange(rows), "y": (dice.uniform(size=rows) < scores).astype(int), "known": known}),
        place / "labels",
    )
    manifest = {"day": [day(number) for number in range(days)], "many": [ROWS] * days}
    write(pd.DataFrame(manifest), place / "manifest")
    write(pd.DataFrame({"feature": ["x"], "importance": [1.0]}), place / "weights")


def monitor(place: Path, outputs: str) -> Monitor:
    parquet = {"format": "parquet"}
    content = {
        "monitor": "gone",
        "model": {"name": "gone", "task": "binary"},
        "predictions": {
            "path": f"{place}/rows",
            **parquet,
            "id": "id",
            "time": "at",
            "score": "score",
            "model_version": {"literal": "1"},
        },
        "labels": {"path": f"{place}/labels", **parquet, "id": "id", "label": "y", "time": "known", "horizon": "3 days"},
        "baseline": {"path": f"{place}/rows", **parquet, "where": "at < TIMESTAMP '2024-01-04 00:00:00Z'", "labels": True},
        "windows": {"every": "1 day", "lookback": "2 days"},
        "slices": ["part"],
        "quality": {"expected_rows": {"path": f"{place}/manifest", **parquet, "time": "day", "count": "many"}},
        "importances": {"path": f"{place}/weights", **parquet},
        "metrics": [
            {"name": "positives", "sql": "sum(label)", "labels": True},
            {"name": "mean_score", "sql": "avg(score)"},
        ],
        "rules": [{"metric": "roc_auc_score", "fail": "< 0.5"}, {"metric": "row_count_ratio", "fail": "< 0.5"}],
        "outputs": {"path": f"{place}/{outputs}"},
    }
    file = place / f"{outputs}.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return Monitor.load(file)


def stored(result: RunResult, table: str) -> pd.DataFrame:
    frame = result.model_metrics if table == "model_metrics" else result.metrics
    rows = frame.where("granularity <> 'baseline'").selectExpr("*", "unix_micros(window.start) AS start").collect()
    found = pd.DataFrame([row.asDict() for row in rows])
    found["day"] = (pd.to_datetime(found["start"], unit="us", utc=True) - START) // pd.Timedelta(days=1)
    return found


def plain(value: object) -> str:
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


def rows_of(place: Path, table: str) -> pd.DataFrame:
    frame = DeltaTable(str(place / table)).to_pandas()
    return frame[~frame["metric"].isin(OF_THE_LAST_WINDOW_OF_A_RUN)] if table == "metrics" else frame


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Every value, but for those that tell one run from another."""
    values = frame[[name for name in frame if name not in OF_ONE_RUN]].map(plain)
    return values.sort_values(list(values.columns)).reset_index(drop=True)


def ratios_without_manifest(frame: pd.DataFrame) -> pd.Series[bool]:
    start = frame["window"].map(lambda window: window["start"])
    return (frame["metric"] == "row_count_ratio") & (start >= day(6)) & (start < day(13))


def test_labels_a_manifest_and_importances_that_are_gone_cost_what_needs_them_and_heal(
    spark: SparkSession, tmp_path: Path
) -> None:
    tables(tmp_path, 14)
    disturbed, straight = monitor(tmp_path, "disturbed"), monitor(tmp_path, "straight")
    before = disturbed.run(spark, as_of=day(6))
    labelled = stored(before, "model_metrics").query("metric == 'roc_auc_score' and basis == 'REALISED' and value.notna()")

    aside = tmp_path / "aside"
    aside.mkdir()
    for name in ("labels", "manifest", "weights"):
        (tmp_path / name).rename(aside / name)
    # Longer than the horizon and the lookback.
    disturbed.run(spark, as_of=day(8))
    without = disturbed.run(spark, as_of=day(13))
    assert without.status == "COMMITTED"
    ledger = DeltaTable(str(tmp_path / "disturbed" / "runs")).to_pandas().set_index("run_id")
    reason = ledger.loc[without.run_id, "reader_reason"]
    assert "Labels could not be read: " in reason
    assert "quality.expected_rows could not be read: " in reason

    model = stored(without, "model_metrics")
    whole = model[(model["metric"] == "roc_auc_score") & model["slice_key"].isna()]
    realised = whole[whole["basis"] == "REALISED"].set_index("day").sort_index()
    assert set(realised.loc[6:12, "status"]) == {"ERROR"}
    assert realised.loc[6:12, "message"].str.startswith("Labels could not be read").all()
    kept = model.merge(labelled, on=[name for name in KEYS if name != "class"], suffixes=("", "_before"))
    assert len(kept) == len(labelled) > 0
    assert (kept["value"] == kept["value_before"]).all(), "what was measured with labels stays"
    estimated = whole[whole["basis"] == "ESTIMATED"].set_index("day").sort_index()
    assert estimated.loc[6:12, "value"].notna().all(), "estimates need no label"
    metrics = stored(without, "metrics")
    new = metrics[metrics["day"] >= 6]
    assert set(new.loc[new["metric"] == "positives", "status"]) == {"ERROR"}
    assert set(new.loc[new["metric"] == "mean_score", "status"]) == {"OK"}
    ratio = new[new["metric"] == "row_count_ratio"]
    assert set(ratio["status"]) == {"ERROR"}
    assert ratio["message"].str.startswith("quality.expected_rows could not be read").all()
    refused = monitor(tmp_path, "first")
    wrong = {finding.where for finding in refused.check(spark) if finding.level == "error"}
    assert {"labels.path", "quality.expected_rows.path", "importances.path"} <= wrong, "a first run names its tables right"

    for name in ("labels", "manifest", "weights"):
        (aside / name).rename(tmp_path / name)
    back = disturbed.run(spark, as_of=day(14))
    straight.run(spark, as_of=day(6))
    undisturbed = straight.run(spark, as_of=day(14))
    assert (back.status, undisturbed.status) == ("COMMITTED", "COMMITTED")
    for table in TABLES:
        healed, never_lacking = rows_of(tmp_path / "disturbed", table), rows_of(tmp_path / "straight", table)
        assert len(never_lacking) > 0, table
        if table in ("metrics", "checks"):
            # Nothing is new in these windows, so that the manifest that is back is not held against them.
            lacking = ratios_without_manifest(healed)
            assert lacking.sum() == 7
            assert healed.loc[lacking, "value"].isna().all()
            healed, never_lacking = healed[~lacking], never_lacking[~ratios_without_manifest(never_lacking)]
        pd.testing.assert_frame_equal(shown(healed), shown(never_lacking))
