"""What `init` takes columns for, and that the file it writes is one that a run reads, whatever the columns are called."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from spark_monitor.commands.first_file import FirstFile, first_file, monitor_id
from spark_monitor.commands.first_look import guess_outputs, open_table
from spark_monitor.commands.init import require_free, write
from spark_monitor.commands.label_delays import Answered
from spark_monitor.commands.quality_guesses import QualityGuess
from spark_monitor.commands.roles import Column, Roles, guess_roles
from spark_monitor.commands.time_guesses import guess_baseline, guess_every, no_time, windows_of_baseline
from spark_monitor.commands.yaml_text import scalar
from spark_monitor.config.monitor import MonitorConfig, PredictionsConfig, load_config
from spark_monitor.errors import ConfigError


def roles(*columns: Column) -> Roles:
    found = guess_roles(columns)
    assert found is not None
    return found


def made(guessed: Roles, **changes: Any) -> FirstFile:
    parts: dict[str, Any] = {
        "title": "demo.predictions",
        "file": "predictions.yaml",
        "monitor": "predictions",
        "source": (("table", "demo.predictions"),),
        "roles": guessed,
        "every": "1 day",
        "baseline": "day < DATE '2024-01-01'",
        "outputs": ("schema", "monitoring"),
    }
    return FirstFile(**{**parts, **changes})


def loaded(file: FirstFile) -> MonitorConfig:
    return MonitorConfig.model_validate(yaml.safe_load(first_file(file)))


FLIGHTS = (
    Column("flight_id", "text", count=9000),
    Column("predicted_at", "time"),
    Column("model_version", "text", count=2),
    Column("predicted", "whole", values=(0, 1), count=2),
    Column("probability", "real", count=9000, within_unit=True),
    Column("origin", "text", count=3),
    Column("tailnum", "text", count=4000),
    Column("distance", "whole", count=200),
)


def test_the_columns_of_a_usual_prediction_table_get_their_roles() -> None:
    found = roles(*FLIGHTS)
    assert (found.task, found.id, found.time, found.model_version) == ("binary", "flight_id", "predicted_at", "model_version")
    assert (found.prediction, found.score, found.positive) == ("predicted", "probability", 1)
    assert (found.label, found.slices, found.strings) == (None, ("origin",), ("origin",))


def test_columns_that_cut_the_rows_into_few_parts_are_no_ids_wherever_they_stand() -> None:
    found = roles(
        Column("country", "text", count=5),
        Column("ver", "text", count=2),
        Column("req", "text", count=9000),
        Column("ts", "time"),
        Column("cust", "whole"),
    )
    assert (found.id, found.model_version, found.others["id"], found.slices) == ("req", "ver", ("cust",), ("country",))


def test_a_first_file_of_classes_names_the_key_of_their_probabilities() -> None:
    written = first_file(made(roles(*FLIGHTS[:3], Column("pred", "text", values=("a", "b", "c"), count=3))))
    assert "  # scores: {CLASS: " in written
    assert "`positive`" not in written


def test_words_are_found_in_camel_case_and_in_any_order_of_columns() -> None:
    found = roles(
        Column("yPred", "text", values=("cat", "dog", "owl"), count=3),
        Column("modelVersion", "whole", count=1),
        Column("groundTruth", "text", values=("cat", "dog"), count=2),
        Column("createdDate", "time"),
        Column("inferenceTimestamp", "time"),
        Column("customerId", "whole"),
        Column("requestId", "text"),
    )
    assert (found.task, found.prediction, found.label) == ("multiclass", "yPred", "groundTruth")
    assert found.strings == ("yPred",)  # a class that is no longer predicted moves its categories
    assert (found.time, found.id, found.model_version) == ("inferenceTimestamp", "requestId", "modelVersion")
    assert found.others["time"] == ("createdDate",)
    assert found.others["id"] == ("customerId",)


def test_a_label_and_the_time_it_became_known_are_told_from_the_prediction_and_its_time() -> None:
    found = roles(
        Column("id", "whole"),
        Column("labelled_at", "time"),
        Column("event_time", "time"),
        Column("predicted_label", "text", values=("no", "yes"), count=2),
        Column("label", "text", values=("no", "yes"), count=2),
    )
    assert (found.time, found.label_time) == ("event_time", "labelled_at")
    assert (found.prediction, found.label, found.task, found.positive) == ("predicted_label", "label", "binary", "yes")


@pytest.mark.parametrize(
    ("prediction", "task", "score"),
    [
        (Column("prediction", "real", values=(0.1, 0.5, 7.0), count=3, within_unit=False), "regression", None),
        (Column("prediction", "real", values=(0.1, 0.5, 0.7), count=3, within_unit=True), "binary", "prediction"),
        (Column("prediction", "real", values=(0.0, 1.0), count=2, within_unit=True), "binary", None),
        (Column("prediction", "whole", values=tuple(range(51)), count=400), "regression", None),
        (Column("prediction", "whole", values=(0, 1, 2), count=3), "multiclass", None),
        (Column("prediction", "boolean", values=(False, True), count=2), "binary", None),
        (Column("prediction", "text"), "multiclass", None),
        (Column("prediction", "real"), "regression", None),
        (Column("nothing_of_the_kind", "real"), "none", None),
    ],
)
def test_the_task_follows_from_what_is_predicted(prediction: Column, task: str, score: str | None) -> None:
    found = roles(Column("id", "text"), Column("ts", "time"), prediction)
    assert (found.task, found.score) == (task, score)


@pytest.mark.parametrize(
    ("name", "within", "score"),
    [
        ("p_churn", True, "p_churn"),
        ("pDefault", True, "pDefault"),
        ("p_value", True, None),
        ("p_h", False, None),
        ("p", True, None),
    ],
)
def test_a_probability_of_what_follows_the_letter_p_is_a_score(name: str, within: bool, score: str | None) -> None:
    found = roles(Column("id", "text"), Column("ts", "time"), Column(name, "real", within_unit=within))
    assert (found.score, found.task) == (score, "none" if score is None else "binary")


def test_a_score_that_is_no_probability_is_a_feature() -> None:
    found = roles(Column("id", "text"), Column("ts", "time"), Column("credit_score", "real", within_unit=False))
    assert (found.score, found.task) == (None, "none")


def test_a_table_without_any_time_is_told_how_to_get_one() -> None:
    columns = [Column("id", "text"), Column("event_time", "text")]
    assert guess_roles(columns) is None
    assert "to_timestamp(`event_time`) AS predicted_at" in no_time("demo.t", columns)


@pytest.mark.parametrize("baseline", ["predicted_at < TIMESTAMP '2024-01-11 00:00:00Z'", None])
def test_the_file_says_what_was_guessed(baseline: str | None) -> None:
    config = loaded(made(roles(*FLIGHTS), baseline=baseline))
    assert config.predictions.roles() == {
        "flight_id": "id",
        "predicted_at": "time",
        "model_version": "model_version",
        "predicted": "prediction",
        "probability": "score",
    }
    assert config.labels is None
    assert (config.baseline.where if config.baseline else None) == baseline
    assert config.slices == ("origin",)
    assert [rule.metric for rule in config.rules if rule.family == "drift"] == (
        ["ks", "population_stability_index", "l_infinity_distance", "percent_null_delta"] if baseline else []
    )


def test_labels_in_the_same_table_are_labels_and_no_features() -> None:
    labelled = (*FLIGHTS, Column("label", "whole", values=(0, 1), count=2), Column("label_time", "time"))
    config = loaded(made(roles(*labelled)))
    assert config.labels is not None
    assert (config.labels.table, config.labels.label, config.labels.time) == ("demo.predictions", "label", "label_time")
    assert config.predictions.features.exclude == ("label", "label_time")
    assert "roc_auc_score" in [rule.metric for rule in config.rules]


@pytest.mark.parametrize(
    ("delay", "horizon"),
    [(0.016, "1 hour"), (29.9, "36 hours"), (36.5, "2 days"), (24.0 * 9.5, "10 days"), (-3.0, "14 days"), (9000.0, "730 days")],
)
def test_the_horizon_follows_from_the_delays_of_the_baselines_labels(delay: float, horizon: str) -> None:
    labelled = roles(*FLIGHTS, Column("label", "whole", values=(0, 1), count=2), Column("label_time", "time"))
    file = made(labelled, answered=Answered(delay=delay, longest=2 * delay))
    known, unknown = loaded(file), loaded(made(labelled))

    assert known.labels is not None
    assert unknown.labels is not None
    assert (known.labels.horizon, unknown.labels.horizon) == (horizon, "14 days")
    assert known.labels.horizon_duration >= timedelta(hours=delay)
    evidence = "99.9 % of the baseline's came within" if delay > 0 else "are timed before their predictions"
    assert evidence in first_file(file)


def test_doubles_that_are_names_have_their_rules_and_are_read_as_numbers() -> None:
    config = loaded(made(roles(*FLIGHTS, Column("region_code", "real", count=8, is_code=True))))

    assert config.columns == {}
    assert [rule.columns for rule in config.rules if rule.metric == "percent_unseen"] == [("origin", "region_code")]


def test_numbers_of_both_signs_have_a_rule_for_a_flipped_sign() -> None:
    config = loaded(made(roles(*FLIGHTS), signed=("balance",)))

    assert [(rule.columns, rule.slices) for rule in config.rules if rule.metric == "unit_factor"] == [(("balance",), "none")]


def test_numbers_of_both_signs_without_a_range_may_not_leave_the_baselines() -> None:
    ranged = QualityGuess("ranges", "fare", [0, None], "GUESS")
    rules = loaded(made(roles(*FLIGHTS), signed=("balance", "fare"), quality=(ranged,))).rules

    limits = [(rule.columns, rule.slices) for rule in rules if rule.metric == "percent_out_of_range"]
    assert limits == [(("fare",), "all"), (("balance",), "none")]


def test_infinities_that_the_baseline_has_break_no_limit_of_the_first_file() -> None:
    rules = loaded(made(roles(*FLIGHTS), signed=("balance", "ratio"), infinite={"ratio": 4.0})).rules

    limits = [(rule.columns, rule.fail.text()) for rule in rules if rule.metric == "percent_out_of_range" and rule.fail]
    assert [columns for columns, _ in limits] == [("balance",), ("ratio",)]
    plain, lifted = (float(text.removeprefix("> ")) for _, text in limits)
    assert lifted == pytest.approx(plain + 2 * 4.0)


NAMES = st.text(min_size=1, max_size=12).filter(str.strip)
KINDS = st.sampled_from(["time", "whole", "real", "text", "boolean", "other"])
COLUMNS = st.builds(Column, name=NAMES, kind=KINDS, count=st.none() | st.integers(0, 60))
ANSWERS = st.sampled_from(["prediction", "label", "score", "y true", "predicted: no", "#id", "on", "- target", "model_version"])


@given(
    st.lists(COLUMNS | st.builds(Column, name=ANSWERS, kind=KINDS), max_size=8, unique_by=lambda column: column.name),
    NAMES.filter(lambda name: "${" not in name),
)
def test_the_file_loads_whatever_the_columns_and_the_table_are_called(columns: list[Column], table: str) -> None:
    guessed = roles(Column("made_at", "time"), *(column for column in columns if column.name != "made_at"))
    file = made(guessed, title=table, monitor=monitor_id(table), source=(("path", table), ("format", "parquet")))
    config = loaded(file)
    assert (config.predictions.path, config.predictions.time) == (table, guessed.time)
    assert (*config.predictions.id,) == (guessed.id,)
    assert config.predictions.prediction == guessed.prediction
    assert config.slices == guessed.slices


@example(5e-324)
@example(1e22)
@given(st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_scalar_is_read_as_it_was(value: Any) -> None:
    assert yaml.safe_load(f"key: {scalar(value)}") == {"key": value}


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="exists already and is left as it is"):
        require_free(file)
    with pytest.raises(ConfigError, match="exists already and is left as it is"):
        write(file, first_file(made(roles(*FLIGHTS))))
    assert file.read_text() == "mine"
    with pytest.raises(ConfigError, match=r"the directory .* does not exist"):
        require_free(tmp_path / "no" / "f.yaml")
    write(tmp_path / "new.yaml", first_file(made(roles(*FLIGHTS))))
    assert load_config(tmp_path / "new.yaml").monitor == "predictions"


def test_windows_are_as_long_as_the_span_of_the_table_suggests() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    spans = [None, timedelta(hours=5), timedelta(days=40), timedelta(days=400)]
    assert [guess_every(span and (start, start + span), "timestamp") for span in spans] == ["1 day", "1 hour", "1 day", "1 week"]
    assert [guess_every(span and (start, start + span), "date") for span in spans] == ["1 day", "1 day", "1 day", "1 week"]


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("timestamp", "`made at` < TIMESTAMP '2024-01-11 00:00:00Z'"),
        ("timestamp_ntz", "`made at` < TIMESTAMP '2024-01-11 00:00:00'"),
        ("date", "`made at` < DATE '2024-01-11'"),
    ],
)
def test_the_baseline_is_the_first_quarter_up_to_a_windows_edge(kind: str, condition: str) -> None:
    span = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 10, 12, tzinfo=UTC))
    assert guess_baseline(span, "made at", kind, "1 day") == condition


def test_a_baseline_has_a_window_even_where_the_table_has_only_one() -> None:
    span = (datetime(2024, 1, 1, 6, tzinfo=UTC), datetime(2024, 1, 1, 7, tzinfo=UTC))
    condition = guess_baseline(span, "day", "date", "1 day")
    assert condition == f"day < DATE '{date(2024, 1, 2)}'"
    assert guess_baseline(None, "day", "date", "1 day") is None


@pytest.mark.parametrize("days", [0, 1, 2, 3])
def test_the_baseline_of_a_few_dates_holds_the_first(days: int) -> None:
    first = datetime(2024, 1, 1, tzinfo=UTC)
    span = first, first + timedelta(days=days)
    condition = guess_baseline(span, "day", "date", guess_every(span, "date"))
    assert condition == f"day < DATE '{date(2024, 1, 2)}'"


@pytest.mark.parametrize(
    ("source", "outputs"),
    [
        ({"table": "demo.predictions"}, ("schema", "monitoring")),
        ({"table": "`my-cat`.sales.scored"}, ("schema", "`my-cat`.monitoring")),
        ({"path": "s3://bucket/data/scored", "format": "delta"}, ("path", "s3://bucket/data/monitoring")),
        ({"path": "scored", "format": "parquet"}, ("path", "monitoring")),
    ],
)
def test_results_go_beside_the_predictions(source: dict[str, str], outputs: tuple[str, str]) -> None:
    assert guess_outputs(PredictionsConfig.model_validate({**source, "id": "id", "time": "ts"})) == outputs


def test_quiet_windows_are_judged_with_the_rows_that_they_have() -> None:
    def fewest(window_rows: int | None) -> dict[str, int]:
        rules = loaded(made(roles(*FLIGHTS), window_rows=window_rows, baseline_rows=20 * (window_rows or 500))).rules
        return {rule.metric: rule.min_count for rule in rules if rule.min_count}

    usual, quiet, tiny = fewest(None), fewest(168), fewest(5)

    # An interval decides of KS, so that few rows are judged as well: a slice in another unit is no question of size.
    assert fewest(10_000)["ks"] == usual["ks"] == quiet["ks"] == 30
    assert usual["percent_null_delta"] == 100 > quiet["percent_null_delta"] == 84
    assert {tiny[metric] for metric in ("ks", "percent_null_delta", "percent_duplicate_rows")} == {30}


def test_how_many_rows_a_window_has_follows_from_the_baselines_time() -> None:
    span = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 30, tzinfo=UTC))
    assert windows_of_baseline(span, "1 week") == 13.0
    assert windows_of_baseline((span[0], span[0] + timedelta(hours=1)), "1 day") == 1.0


@pytest.mark.parametrize("table", ["rows/${HOME}", "demo.${table}"])
def test_a_table_whose_name_no_file_may_hold_is_refused_before_it_is_read(table: str) -> None:
    spark: Any = None
    with pytest.raises(ConfigError, match='"\\$\\{" begins a variable'):
        open_table(spark, table)
