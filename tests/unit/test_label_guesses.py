"""Which column `init` takes for the label, and which it only names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from spark_monitor.commands.first_file import FirstFile, first_file
from spark_monitor.commands.first_rules import proposed_rules
from spark_monitor.commands.roles import Column, Roles, Together, guess_roles
from spark_monitor.commands.seen import Seen
from spark_monitor.commands.time_guesses import guess_every, no_time
from spark_monitor.config.monitor import MonitorConfig

TIME, ID = Column("at", "time"), Column("id", "text", count=9000)
SCORE = Column("score", "real", count=900, within_unit=True)


def yes_or_no(name: str) -> Column:
    return Column(name, "whole", values=(0, 1), count=2)


def number(name: str) -> Column:
    return Column(name, "real", count=900)


def known(correlations: Mapping[str, float | None]) -> Together:
    def together(columns: Sequence[Column], answer: Column) -> Mapping[str, float | None]:
        return {column.name: correlations.get(column.name) for column in columns}

    return together


def roles(*columns: Column, **correlations: float | None) -> Roles:
    found = guess_roles([ID, TIME, *columns], known(correlations))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name",
    [
        "bound_label",
        "was_late label",
        "final_outcome",
        "y_true",
        "ground_truth",
        "isTarget",
        "label",
        "Zielwert",
        "cible",
        "étiquette",
    ],
)
def test_a_label_is_known_by_its_own_word_whatever_stands_beside_it(name: str) -> None:
    assert roles(SCORE, yes_or_no(name)).label == name


@pytest.mark.parametrize(
    ("score", "label"),
    [("fraud_score", "is_fraud"), ("churnProbability", "churned"), ("default_prob", "defaulted"), ("lateScore", "wasLate")],
)
def test_a_label_is_known_by_the_words_of_the_score(score: str, label: str) -> None:
    found = roles(Column(score, "real", count=900, within_unit=True), yes_or_no("is_weekend"), yes_or_no(label))
    assert found.label == label


@pytest.mark.parametrize(("prediction", "label"), [("predicted_price", "actual_price"), ("forecastDemand", "demand")])
def test_the_label_of_a_number_is_what_was_predicted(prediction: str, label: str) -> None:
    predicted = Column(prediction, "real", values=tuple(float(one) for one in range(60)), count=900, within_unit=False)
    found = roles(predicted, number("sales_target"), number(label), **{label: 0.9, "sales_target": 0.01})
    assert (found.task, found.label, found.others.get("label")) == ("regression", label, ())


@pytest.mark.parametrize(
    "column",
    [
        Column("target_country", "text", values=("DE", "FR"), count=2),
        Column("label_source", "text", values=("auto", "human"), count=2),
        number("sales_target"),
        Column("label_id", "whole", count=2),
        Column("outcome", "text", values=("a", "b", "c"), count=3),
        Column("actual_departure", "time"),
    ],
)
def test_what_is_about_a_label_or_has_other_values_is_none(column: Column) -> None:
    found = roles(SCORE, column)
    assert (found.label, found.maybe_labels) == (None, ())


def test_a_column_that_does_not_go_with_the_scores_is_no_label() -> None:
    found = roles(SCORE, yes_or_no("marketing_target"), yes_or_no("was_contacted"), marketing_target=0.01, was_contacted=-0.02)
    assert (found.label, found.maybe_labels) == (None, ())
    assert roles(SCORE, yes_or_no("label"), label=0.0).label == "label", "that can be nothing else, and the model may be bad"


def test_a_fact_that_goes_with_the_scores_is_named_and_not_taken() -> None:
    facts = {"was_late": 0.3, "ausgefallen": 0.5, "mobile": 0.1, "is_weekend": 0.0}
    found = roles(SCORE, *map(yes_or_no, facts), **facts)
    assert (found.label, found.maybe_labels) == (None, ("was_late", "ausgefallen"))
    made = FirstFile("t", "t.yaml", "t", (("table", "t"),), found, "1 day", None, ("schema", "monitoring"))
    text = first_file(made)
    assert "# GUESS: was_late, ausgefallen may be it" in text
    assert "label: was_late, time: COLUMN" in text
    MonitorConfig.model_validate(yaml.safe_load(text))


def test_the_class_with_the_higher_scores_is_the_positive_one() -> None:
    outcome = Column("final_outcome", "text", values=("default", "repaid"), count=2)
    assert roles(SCORE, outcome, final_outcome=-0.4).positive == "default"
    assert roles(SCORE, outcome, final_outcome=0.4).positive == "repaid"
    assert roles(SCORE, Column("label", "text", values=("no", "yes"), count=2), label=-0.4).positive == "yes"


def test_ids_that_come_again_and_again_are_ids_with_their_time_alone() -> None:
    found = roles_of(Column("store_id", "whole", count=100, repeats=90.0))
    assert (found.id, found.ids) == (("store_id", "at"), ("store_id", "at"))
    assert roles_of(Column("customer_id", "whole", repeats=4.0), Column("loan_id", "whole", repeats=1.02)).id == "loan_id"
    versions = Column("model_version", "text", count=2)
    assert roles_of(versions, Column("flight_id", "whole", count=4500, repeats=2.0)).id == "flight_id"


def roles_of(*columns: Column) -> Roles:
    found = guess_roles([TIME, *columns])
    assert found is not None
    return found


def test_a_time_of_labels_without_labels_is_watched_by_none() -> None:
    found = roles(SCORE, Column("confirmed_at", "time"))
    assert (found.label, found.label_time, found.times) == (None, None, ("confirmed_at",))


def test_an_hours_windows_are_proposed_where_days_would_be_few_and_hours_have_rows() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    span = start, start + timedelta(days=8)
    assert [guess_every(span, kind, rows) for kind, rows in (("timestamp", 23_040), ("timestamp", 6_000), ("date", 23_040))] == [
        "1 hour",
        "1 day",
        "1 day",
    ]
    assert guess_every((start, start + timedelta(days=40)), "timestamp", 10**9) == "1 day"


@pytest.mark.parametrize(
    ("greatest", "sql"),
    [
        (1.7e9, "timestamp_seconds(`ts`)"),
        (1.7e12, "timestamp_millis(`ts`)"),
        (1.7e15, "timestamp_micros(`ts`)"),
        (1.7e18, "timestamp_micros(`ts` div 1000)"),
        (20_240_101.0, "to_timestamp(CAST(`ts` AS STRING))"),
    ],
)
def test_a_number_that_is_a_time_is_told_what_makes_a_timestamp_of_it(greatest: float, sql: str) -> None:
    columns = [ID, Column("ts", "whole", greatest=greatest)]
    assert f"SELECT *, {sql} AS predicted_at FROM parquet.`/data/x`," in no_time(
        "parquet at /data/x", columns, "parquet.`/data/x`"
    )


def test_a_table_without_answers_says_that_the_data_alone_is_watched() -> None:
    found = roles_of(ID, Column("label_name", "text", count=2), Column("label_value", "whole", count=2))
    text = first_file(FirstFile("t", "t.yaml", "t", (("table", "t"),), found, "1 day", None, ("schema", "monitoring")))
    assert (found.task, "only the data is monitored" in text) == ("none", True)
    assert MonitorConfig.model_validate(yaml.safe_load(text)).labels is None


def test_a_predicted_number_is_judged_by_its_error_as_a_windows_labels_may_vary_little() -> None:
    found = Roles("regression", "at", "id", prediction="g", label="y")
    seen = Seen(found, "1 hour", has_baseline=True, baseline_rows=5000, window_rows=100, error=3.0)
    (rule,) = [line.rule for line in proposed_rules(seen) if line.rule["metric"] == "root_mean_squared_error"]
    assert (rule["warn"], rule["fail"]) == ({"above_baseline": 0.3}, {"above_baseline": 0.6})
    assert not [line for line in proposed_rules(seen) if line.rule["metric"] == "r2_score"]
