"""The quality of a hostile table by a whole run, by both readers, against pandas."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sklearn.decomposition import PCA

from spark_monitor import Monitor

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

START = pd.Timestamp("2024-03-01", tz="UTC")
DAYS, BASELINE_DAYS, ROWS = 12, 4, 6_000
AS_OF = datetime(2024, 3, 13, 5, 30, tzinfo=UTC)
FIRST_DAY = START + pd.Timedelta(days=BASELINE_DAYS)
TEXTS = ("email", "mark", "number", "kind", "zip")
READERS = ("spark", "files")


def made(seed: int = 3) -> pd.DataFrame:
    """Rows of twelve days: four are the baseline, the others have faults of every kind."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": (np.arange(ROWS) + 2**60).astype("int64")})
    frame["at"] = START.as_unit("us") + pd.to_timedelta(np.sort(random.integers(0, DAYS * 86_400 * 10**6, ROWS)), unit="us")
    late = (frame["at"] >= FIRST_DAY).to_numpy()
    frame["version"] = random.choice(["1", "2"], ROWS, p=[0.7, 0.3])
    frame["email"] = [f"user{number}@example.org" for number in random.integers(0, 300, ROWS)]
    frame["mark"] = random.choice(["plain", "Ærø", "東京", "ok"], ROWS)
    frame["number"] = [str(number) for number in random.integers(0, 200, ROWS)]
    frame["kind"] = random.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1])
    frame["zip"] = [f"{number:05d}" for number in random.integers(0, 99_999, ROWS)]
    frame["age"] = random.integers(18, 80, ROWS).astype("int64")
    frame["speed"] = np.round(random.gamma(4.0, 5.0, ROWS), 6)
    frame["stuck"] = random.normal(10, 2, ROWS)
    frame["celsius"] = random.normal(12, 8, ROWS)
    break_texts(frame, random, late)
    frame.loc[late & (random.random(ROWS) < 0.05), "age"] = -999
    frame.loc[late & (random.random(ROWS) < 0.03), "age"] = 300
    frame.loc[late, "speed"] *= 1.609344
    frame.loc[late, "celsius"] = frame.loc[late, "celsius"] * 1.8 + 32
    frame.loc[late, "stuck"] = 4.0
    swap = {"a": "b", "b": "a", "c": "c", "new": "new"}
    frame.loc[late, "kind"] = frame.loc[late, "kind"].map(swap)
    frame.loc[late & (random.random(ROWS) < 0.02), "kind"] = "new"
    frame["hole"] = random.random(ROWS) < 0.1  # where email is missing
    return with_repeats(frame, random)


def break_texts(frame: pd.DataFrame, random: np.random.Generator, late: np.ndarray) -> None:
    """Strings with every kind of damage."""
    for column, texts in {
        "email": ["no address", "", " user1@example.org", "user@", "  "],
        "mark": ["Ã†rÃ¸", "caf\ufffd", " plain", "tab\t", "\u00a0", ""],
        "number": ["n/a", "1,5", "", " 7 ", "1e3", "-.5"],
        "zip": ["1234", "12345 ", "abcde"],
    }.items():
        chosen = np.flatnonzero(late & (random.random(ROWS) < 0.1))
        frame.loc[chosen, column] = random.choice(texts, chosen.size)


def with_repeats(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Some rows twice, some ids twice, an hour lost, a half day lost, and one day delivered again a day later."""
    day = (frame["at"] - START) // pd.Timedelta(days=1)
    lost = (day == 6) & (frame["at"].dt.hour.isin([9, 10, 11])) | (day == 7) & (frame["at"].dt.hour >= 12)
    frame = frame[~lost & (day != 9)]
    again = frame[(frame["at"] - START) // pd.Timedelta(days=1) == 8].copy()
    again["at"] += pd.Timedelta(days=1)
    again["id"] += 2**40
    twice = frame[(day[frame.index] == 5)].sample(40, random_state=1)
    same_id = frame[(day[frame.index] == 10)].sample(25, random_state=2).copy()
    same_id["age"] = 50
    same_id["at"] += pd.Timedelta(microseconds=1)
    return pd.concat([frame, again, twice, same_id]).sample(frac=1, random_state=random.integers(1 << 30)).reset_index(drop=True)


def written(frame: pd.DataFrame, directory: Path) -> Path:
    """The table as Parquet, and the monitor's file."""
    arrays = {name: pa.array(frame[name].to_numpy()) for name in frame.columns if name not in ("at", "hole", "email")}
    arrays["email"] = pa.array(frame["email"].to_numpy(), mask=frame["hole"].to_numpy())
    arrays["at"] = pa.array(frame["at"].dt.tz_convert("UTC"), pa.timestamp("us", tz="UTC"))
    (directory / "predictions").mkdir(parents=True)
    half = len(frame) // 2
    for part, (low, high) in enumerate([(0, half), (half, len(frame))]):
        pq.write_table(pa.table(arrays).slice(low, high - low), directory / "predictions" / f"{part}.parquet")
    manifest = pd.DataFrame({"day": pd.date_range(START, periods=DAYS).date, "rows": [500] * DAYS})
    (directory / "manifest").mkdir()
    pq.write_table(pa.Table.from_pandas(manifest), directory / "manifest" / "m.parquet")
    path = str(directory / "predictions")
    config: dict[str, Any] = {
        "monitor": "quality",
        "model": {"name": "quality", "task": "none"},
        "predictions": {"path": path, "format": "parquet", "id": "id", "time": "at", "model_version": "version"},
        "baseline": {"path": path, "format": "parquet", "where": f"at < TIMESTAMP '{FIRST_DAY:%Y-%m-%d %H:%M:%S}+00:00'"},
        "windows": {"every": "1 day", "lookback": "3 days"},
        "slices": ["kind"],
        "quality": {
            "formats": {"email": "email", "zip": "^[0-9]{5}$"},
            "ranges": {"age": [0, 120]},
            "allowed": {"kind": ["a", "b", "c"]},
            "unique": ["id", "email"],
            "sentinels": [-999],
            "expected_rows": {"path": str(directory / "manifest"), "format": "parquet", "time": "day", "count": "rows"},
        },
        "outputs": {"path": str(directory / "out")},
    }
    file = directory / "quality.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    found = made()
    found["day"] = (found["at"] - START) // pd.Timedelta(days=1)
    found.loc[found["hole"], "email"] = None
    return found


@pytest.fixture(scope="module", params=READERS)
def measured(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    file = written(made(), tmp_path_factory.mktemp(f"quality_{request.param}"))
    result = Monitor.load(file).run(spark, as_of=AS_OF, reader=request.param)
    assert result.status == "COMMITTED"
    rows = [row.asDict(recursive=True) for row in result.metrics.collect()]
    found = pd.DataFrame([{**row, "start": row["window"]["start"]} for row in rows])
    found["day"] = (pd.to_datetime(found["start"]).dt.tz_localize(None) - START.tz_localize(None)) // pd.Timedelta(days=1)
    return found


def test_every_fraction_is_that_of_pandas(measured: pd.DataFrame, frame: pd.DataFrame) -> None:
    whole = measured[measured["slice_key"].isna()]
    checks = {
        ("percent_format_mismatch", "email"): lambda part: part["email"].notna() & ~part["email"].str.contains(EMAIL, na=False),
        ("percent_format_mismatch", "zip"): lambda part: ~part["zip"].str.fullmatch(r"[0-9]{5}"),
        ("percent_unparsable", "number"): lambda part: pd.to_numeric(part["number"], errors="coerce").isna(),
        ("percent_out_of_range", "age"): lambda part: (part["age"] < 0) | (part["age"] > 120),
        ("percent_unseen", "kind"): lambda part: ~part["kind"].isin(["a", "b", "c"]),
        ("percent_sentinel", "age"): lambda part: part["age"] == -999,
        ("percent_empty", "number"): lambda part: part["number"] == "",
        ("percent_whitespace", "mark"): lambda part: (part["mark"] != part["mark"].str.strip()) & (part["mark"] != ""),
        ("percent_mojibake", "mark"): lambda part: part["mark"].isin(["Ã†rÃ¸", "caf\ufffd"]),
        ("percent_out_of_range", "speed"): lambda part: outside(part["speed"], frame.loc[frame["day"] < BASELINE_DAYS, "speed"]),
    }
    for (metric, column), flags in checks.items():
        rows = whole[(whole["metric"] == metric) & (whole["column_name"] == column)]
        assert len(rows) == DAYS * 2, (metric, column)
        for row in rows.to_dict("records"):
            part = frame[(frame["day"] == row["day"]) & (frame["version"] == row["model_version"])]
            expected = 100 * flags(part).mean()
            assert row["value"] == pytest.approx(expected, abs=1e-9), (metric, column, row["day"])
            assert row["lower"] - 1e-9 <= expected <= row["upper"] + 1e-9
            assert row["count"] == len(part)


EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9]+$"


def outside(values: pd.Series, baseline: pd.Series) -> pd.Series:
    return (values < baseline.min()) | (values > baseline.max())


def standardised(part: pd.DataFrame, baseline: pd.DataFrame) -> np.ndarray:
    return ((part[NUMBERS] - baseline[NUMBERS].mean()) / baseline[NUMBERS].std(ddof=0)).to_numpy()


NUMBERS = ["age", "speed", "stuck", "celsius"]


def test_correlations_and_reconstruction_errors_are_those_of_the_rows(measured: pd.DataFrame, frame: pd.DataFrame) -> None:
    baseline = frame[frame["day"] < BASELINE_DAYS]
    for slice_value in (None, "b"):
        of_slice = baseline if slice_value is None else baseline[baseline["kind"] == slice_value]
        pca = PCA(n_components=0.65, svd_solver="full").fit(standardised(of_slice, of_slice))
        own = measured[measured["slice_value"].isna() if slice_value is None else measured["slice_value"] == slice_value]
        errors = own[(own["metric"] == "reconstruction_error") & (own["status"] == "OK")]
        shifts = own[(own["metric"] == "correlation_shift") & (own["status"] == "OK")]
        assert len(errors) > DAYS
        assert len(shifts) >= (36 if slice_value is None else 20)
        for row in [*errors.to_dict("records"), *shifts.to_dict("records")]:
            part = frame[(frame["day"] == row["day"]) & (frame["version"] == row["model_version"])]
            part = part if slice_value is None else part[part["kind"] == slice_value]
            if row["metric"] == "reconstruction_error":
                rows = standardised(part, of_slice)
                expected = ((rows - pca.inverse_transform(pca.transform(rows))) ** 2).sum(axis=1).mean()
            else:
                first, second = row["column_name"].split(", ")
                expected = np.arctanh(part[first].corr(part[second])) - np.arctanh(of_slice[first].corr(of_slice[second]))
            assert row["value"] == pytest.approx(expected, rel=1e-9, abs=1e-9), row
            assert row["lower"] <= row["value"] <= row["upper"]
            assert row["count"] == len(part)


def test_slices_are_counted_too(measured: pd.DataFrame, frame: pd.DataFrame) -> None:
    rows = measured[
        (measured["metric"] == "percent_sentinel") & (measured["slice_key"] == "kind") & (measured["column_name"] == "age")
    ]
    assert set(rows["slice_value"]) == {"a", "b", "c", "new"}
    for row in rows.to_dict("records"):
        part = frame[
            (frame["day"] == row["day"]) & (frame["version"] == row["model_version"]) & (frame["kind"] == row["slice_value"])
        ]
        assert row["value"] == pytest.approx(100 * (part["age"] == -999).mean(), abs=1e-9)


def test_shares_of_slices_are_held_against_the_baselines(measured: pd.DataFrame, frame: pd.DataFrame) -> None:
    rows = measured[(measured["metric"] == "slice_share_shift") & (measured["status"] == "OK")]
    baseline = frame[frame["day"] < BASELINE_DAYS]
    assert set(rows["slice_value"]) == {"a", "b", "c", "new"}
    for row in rows.to_dict("records"):
        part = frame[(frame["day"] == row["day"]) & (frame["version"] == row["model_version"])]
        expected = (part["kind"] == row["slice_value"]).mean() - (baseline["kind"] == row["slice_value"]).mean()
        assert row["value"] == pytest.approx(expected, abs=1e-9)
        assert row["lower"] <= row["value"] <= row["upper"]


def test_faults_of_a_column_are_named(measured: pd.DataFrame) -> None:
    whole = measured[measured["slice_key"].isna() & (measured["model_version"] == "1")]

    def values(metric: str, column: str) -> dict[int, Any]:
        rows = whole[(whole["metric"] == metric) & (whole["column_name"] == column)]
        return {row["day"]: row for row in rows.to_dict("records")}

    factor = values("unit_factor", "speed")
    assert all(row["lower"] <= 1.0 <= row["upper"] or abs(row["value"] - 1) < 0.1 for day, row in factor.items() if day < 4)
    for day in range(BASELINE_DAYS, DAYS):
        assert factor[day]["value"] == pytest.approx(1.609344, rel=0.1)
        assert dict(factor[day]["details"])["known"] == "miles to kilometres (mph to km/h)"
        assert dict(values("unit_factor", "celsius")[day]["details"])["known"] == "degrees Celsius to Fahrenheit"
        assert values("is_stuck", "stuck")[day]["value"] == 1.0
        assert values("is_constant", "stuck")[day]["value"] == 1.0
        assert values("is_stuck", "age")[day]["value"] == 0.0


def test_repeated_rows_ids_and_values_are_counted(measured: pd.DataFrame, frame: pd.DataFrame) -> None:
    columns = [name for name in frame.columns if name not in ("day", "hole")]
    oracles = {
        ("percent_duplicate_ids", ":table"): lambda part: part["id"].duplicated(),
        ("percent_duplicate_rows", ":table"): lambda part: part[columns].duplicated(),
        ("percent_duplicated_values", "email"): lambda part: part["email"].dropna().duplicated(),
    }
    for (metric, column), repeated in oracles.items():
        rows = measured[(measured["metric"] == metric) & (measured["column_name"] == column)]
        assert len(rows) == DAYS * 2
        for row in rows.to_dict("records"):
            part = frame[(frame["day"] == row["day"]) & (frame["version"] == row["model_version"])]
            assert row["value"] == pytest.approx(100 * repeated(part).mean(), abs=1e-9), (metric, row["day"])


def test_arrivals_are_held_against_manifest_and_history(measured: pd.DataFrame, frame: pd.DataFrame) -> None:
    table = (
        measured[(measured["column_name"] == ":table") & measured["model_version"].isna()]
        .set_index(["metric", "day"])
        .sort_index()
    )
    for day in range(DAYS):
        part = frame[frame["day"] == day]
        assert table.loc[("row_count_ratio", day), "value"].item() == pytest.approx(len(part) / 500)
        start = START + pd.Timedelta(days=day)
        ends = [start, *part["at"].sort_values(), start + pd.Timedelta(days=1)]
        gap = pd.Series(ends).diff().max() / pd.Timedelta(hours=1)
        row = table.loc[("largest_gap_hours", day)].iloc[0]
        assert row["value"] == pytest.approx(gap, abs=1e-9) if gap >= 1 else row["value"] <= gap < 1
        assert table.loc[("duplicated_window", day), "value"].item() == float(day == 9)
    missing = {day: table.loc[("missing_hours", day), "value"].item() for day in range(6, DAYS)}
    assert missing == {6: 3.0, 7: 12.0, 8: 0.0, 9: 0.0, 10: 0.0, 11: 0.0}
    fresh = table.loc["freshness_hours"]
    assert list(fresh.index) == [DAYS - 1]
    newest = frame["at"].max()
    assert fresh["value"].item() == pytest.approx((pd.Timestamp(AS_OF) - newest) / pd.Timedelta(hours=1), abs=1e-9)


def test_the_schema_is_held_against_the_baseline(measured: pd.DataFrame) -> None:
    rows = measured[measured["metric"].isin(["columns_missing", "columns_added", "columns_retyped"])]
    assert set(rows[rows["basis"] == "BASELINE"]["value"]) == {0.0}
    last = rows[rows["basis"] == "LAST_RUN"]
    assert set(last["status"]) == {"UNDEFINED"}
    told = dict(last[last["metric"] == "columns_added"]["details"].item())
    assert json.loads(told["schema"])["speed"] == "double"
