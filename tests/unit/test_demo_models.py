"""The demo's two models on made-up flights: what they learn from, what they score, and the tables that become of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.monitor import load_config
from spark_monitor.demo import data, models, tables
from spark_monitor.demo.monitor_file import PLACES


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Flights over the year that are late when it blows; missing values in every column that has them in reality."""
    random = np.random.default_rng(11)
    size = 3000
    rows = pd.DataFrame({name: random.normal(10, 3, size) for name in data.NUMERIC})
    for name in data.TEXT:
        rows[name] = random.choice(["A", "B", "C"], size)
    rows["manufacturer"] = rows["manufacturer"].where(random.random(size) > 0.2)
    rows["wind_gust"] = rows["wind_gust"].mask(random.random(size) < 0.7)
    for name in tables.WHOLE_NUMBERS:
        rows[name] = pd.Series(random.integers(1, 7, size), dtype="Int64")
    rows["seats"] = rows["seats"].mask(random.random(size) < 0.2)
    rows["flight_id"] = [f"F{index}" for index in range(size)]
    rows["predicted_at"] = pd.date_range("2013-01-01", "2013-12-31", periods=size, tz="UTC").floor("s")
    rows["arrival_delay"] = np.where(rows["wind_speed"] + random.normal(0, 1, size) > 12, 60.0, 0.0)
    rows.loc[random.random(size) < 0.03, "arrival_delay"] = np.nan
    return rows


@pytest.fixture(scope="module")
def versions(rows: pd.DataFrame) -> tuple[models.Version, models.Version]:
    return models.train(rows)


@pytest.fixture(scope="module")
def scored(rows: pd.DataFrame, versions: tuple[models.Version, models.Version]) -> pa.Table:
    return tables.predictions(models.score(rows, version) for version in versions)


def test_both_versions_learn_from_january_and_february_alone(rows: pd.DataFrame) -> None:
    changed = rows.copy()
    later = changed["predicted_at"] >= pd.Timestamp("2013-03-01", tz="UTC")
    changed.loc[later, "arrival_delay"] = 60.0 - changed.loc[later, "arrival_delay"]
    for before, after in zip(models.train(rows), models.train(changed), strict=True):
        same = models.model_input(rows)
        np.testing.assert_array_equal(before.model.predict_proba(same), after.model.predict_proba(same))


def test_both_versions_rank_late_flights_first(rows: pd.DataFrame, versions: tuple[models.Version, ...]) -> None:
    assert min(models.training_scores(rows, versions).values()) > 0.9


def test_the_first_version_scores_every_flight_and_the_second_those_from_june_on(rows: pd.DataFrame, scored: pa.Table) -> None:
    frame = scored.to_pandas()
    ids = frame.groupby("model_version")["flight_id"].agg(list)
    assert list(ids.index) == ["1", "2"]
    assert sorted(ids["1"]) == sorted(rows["flight_id"])
    assert sorted(ids["2"]) == sorted(rows["flight_id"][rows["predicted_at"] >= pd.Timestamp("2013-06-01", tz="UTC")])


def test_the_predicted_class_follows_the_threshold_of_the_monitors_file(scored: pa.Table) -> None:
    config = load_config(PLACES[0])
    assert config.predictions.threshold == models.THRESHOLD
    frame = scored.to_pandas()
    assert ((frame["probability"] >= config.predictions.threshold).astype(int) == frame["predicted"]).all()


def test_the_monitors_file_names_columns_of_the_prediction_and_label_tables(scored: pa.Table) -> None:
    config = load_config(PLACES[0])
    assert set(config.predictions.roles()) < set(scored.column_names)
    assert set(scored.column_names) - set(config.predictions.roles()) == set(data.FEATURES)
    assert config.labels is not None
    assert {*config.labels.id, config.labels.label, config.labels.time} == set(tables.LABEL_SCHEMA.names)
    for rule in config.rules:
        of_predictions = rule.metric not in catalogue().metrics or catalogue().metrics[rule.metric].dataset == "predictions"
        assert not of_predictions or rule.columns == "*" or set(rule.columns) <= set(scored.column_names)


def test_the_baseline_of_the_monitors_file_is_what_the_models_were_trained_on() -> None:
    baseline = load_config(PLACES[0]).baseline
    assert baseline is not None
    assert baseline.where == f"predicted_at < TIMESTAMP '{models.TRAINED_BEFORE:%Y-%m-%d}'"


def test_missing_values_become_null_and_never_nan(rows: pd.DataFrame, scored: pa.Table) -> None:
    for name in data.FEATURES:
        column = scored.column(name)
        of_version_1 = column.filter(pc.equal(scored.column("model_version"), "1"))
        assert of_version_1.null_count == rows[name].isna().sum(), name
        if pa.types.is_floating(column.type):
            assert not pc.any(pc.is_nan(column)).as_py()


def test_the_tables_have_timestamps_in_utc_and_plain_types(scored: pa.Table) -> None:
    assert scored.schema == tables.PREDICTION_SCHEMA
    assert {str(field.type) for field in scored.schema} == {"string", "timestamp[us, tz=UTC]", "int32", "double"}


def test_training_twice_gives_the_same_scores(rows: pd.DataFrame, scored: pa.Table) -> None:
    again = tables.predictions(models.score(rows, version) for version in models.train(rows))
    np.testing.assert_allclose(
        again.column("probability").to_numpy(), scored.column("probability").to_numpy(), rtol=0, atol=1e-12
    )
