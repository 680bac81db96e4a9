"""A monitor's configuration against real tables: what is found, and that nothing is found where all is well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.errors import ConfigError
from spark_monitor.preflight.check import Finding, check, require_valid

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 40

MONITOR: dict[str, Any] = {
    "monitor": "loans",
    "model": {"name": "loans", "task": "binary"},
    "predictions": {
        "table": "check_predictions",
        "id": "loan",
        "time": "made_at",
        "model_version": "version",
        "prediction": "predicted",
        "score": "probability",
    },
    "labels": {"table": "check_labels", "id": "loan", "label": "defaulted", "time": "known_at"},
    "baseline": {"table": "check_predictions", "where": "made_at < TIMESTAMP '2024-01-11'", "labels": True},
    "slices": ["region", "amount > 10", ["region", "version"]],
    "rules": [
        {"metric": "ks", "fail": 0.1},
        {"metric": "percent_null", "columns": ["amount", "wind speed"], "fail": 5},
        {"metric": "roc_auc_score", "fail": "< 0.6"},
    ],
    "outputs": {"schema": "monitoring"},
}

Check = Callable[..., list[Finding]]


def prediction_rows() -> list[tuple[Any, ...]]:
    return [
        (
            number,
            START + timedelta(days=number),
            f"v{number % 2}",
            number % 2,
            number / ROWS,
            ("north", "south")[number % 2],
            float(number),
            number * 0.5,
            [number],
            str(START + timedelta(days=number))[:19],
            bytes([number]),
            Decimal(number),
        )
        for number in range(ROWS)
    ]


PREDICTIONS = (
    "loan bigint, made_at timestamp, version string, predicted int, probability double, region string, amount double, "
    "`wind speed` double, tags array<int>, made_text string, raw binary, price decimal(10, 2)"
)
LABELS = "loan bigint, defaulted int, known_at timestamp, loan_text string, other bigint, known_text string, reason array<int>"


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("check")
    known = START + timedelta(days=60)
    labels = [(number, number % 2, known, str(number), number + 10_000, str(known)[:19], [number]) for number in range(ROWS)]
    for name, rows, columns in (("predictions", prediction_rows(), PREDICTIONS), ("labels", labels, LABELS)):
        spark.createDataFrame(rows, columns).coalesce(1).write.parquet(str(directory / name))
        view(spark.read.parquet(str(directory / name)), f"check_{name}")


def view(frame: DataFrame, name: str) -> None:
    frame.createOrReplaceTempView(name)


@pytest.fixture
def checked(spark: SparkSession, tables: None) -> Check:
    def check_changed(changes: dict[str, Any] | None = None, **options: bool) -> list[Finding]:
        return check(configured(changes or {}), spark, **options)

    return check_changed


def configured(changes: dict[str, Any]) -> MonitorConfig:
    """The monitor with keys at dotted places set, or left out where the value is None."""
    content = copy.deepcopy(MONITOR)
    for place, value in changes.items():
        *path, last = place.split(".")
        section = content
        for part in path:
            section = section.setdefault(part, {})
        if value is None:
            del section[last]
        else:
            section[last] = value
    return MonitorConfig.model_validate(content)


def errors(findings: list[Finding]) -> list[str]:
    return [str(finding) for finding in findings if finding.level == "error"]


def warnings(findings: list[Finding]) -> list[str]:
    return [str(finding) for finding in findings if finding.level == "warning"]


def test_a_configuration_that_fits_its_tables_has_no_findings(checked: Check) -> None:
    assert checked() == []


WRONG_COLUMNS: list[tuple[dict[str, Any], str]] = [
    ({"predictions.time": "made_att"}, 'predictions.time: no column "made_att" in check_predictions. Did you mean "made_at"?'),
    ({"predictions.time": "MADE_AT"}, 'predictions.time: no column "MADE_AT" in check_predictions. Did you mean "made_at"?'),
    ({"predictions.score": "xyzzy"}, 'predictions.score: no column "xyzzy" in check_predictions. Its columns: loan, made_at, '),
    ({"predictions.model_version": "versio"}, 'predictions.model_version: no column "versio" in check_predictions.'),
    ({"predictions.prediction": "predictd"}, 'predictions.prediction: no column "predictd"'),
    ({"predictions.id": "lona"}, 'predictions.id: no column "lona" in check_predictions.'),
    ({"predictions.features": {"include": ["amont"]}}, 'predictions.features.include: no column "amont" in check_predictions.'),
    ({"labels.label": "defaultd"}, 'labels.label: no column "defaultd" in check_labels. Did you mean "defaulted"?'),
    ({"labels.id": "loan_id"}, 'labels.id: no column "loan_id" in check_labels.'),
    ({"labels.time": "known"}, 'labels.time: no column "known" in check_labels.'),
    ({"rules": [{"metric": "ks", "columns": ["amont"], "fail": 1}]}, 'rules[0].columns: no column "amont" in check_predictions.'),
    (
        {"rules": [{"metric": "ks", "columns": ["made_at"], "fail": 1}]},
        'rules[0].columns: column "made_at" is the time column and is not watched.',
    ),
    (
        {"rules": [{"metric": "ks", "columns": ["amount"], "fail": 1}], "predictions.features": {"exclude": ["amount"]}},
        'rules[0].columns: column "amount" is left out by predictions.features and is not watched.',
    ),
    ({"weights": "wieght"}, 'weights: no column "wieght" in check_predictions.'),
    ({"groups": {"column": "regoin"}}, 'groups.column: no column "regoin" in check_predictions. Did you mean "region"?'),
    ({"importances": {"table": "check_labels"}}, 'importances: no column "feature" in check_labels.'),
    ({"slices": [["region", "versio"]]}, 'slices[0]: no column "versio" in check_predictions. Did you mean "version"?'),
]

WRONG_TYPES: list[tuple[dict[str, Any], str]] = [
    (
        {"predictions.time": "made_text"},
        'predictions.time: column "made_text" of check_predictions is string. Allowed: a timestamp or a date. '
        "Read a view of check_predictions that has it as to_timestamp(`made_text`)",
    ),
    ({"predictions.time": "amount"}, 'predictions.time: column "amount" of check_predictions is double.'),
    ({"predictions.time": "amount"}, "timestamp_seconds(`amount`)"),
    ({"labels.time": "known_text"}, 'labels.time: column "known_text" of check_labels is string.'),
    ({"predictions.score": "region"}, 'predictions.score: column "region" of check_predictions is string. Allowed: a number.'),
    ({"predictions.score": "tags"}, 'predictions.score: column "tags" of check_predictions is array<int>.'),
    ({"predictions.id": "tags"}, 'predictions.id: column "tags" of check_predictions is array<int>.'),
    ({"predictions.model_version": "raw"}, "hex(`raw`)"),
    ({"labels.label": "reason"}, 'labels.label: column "reason" of check_labels is array<int>.'),
    (
        {"model.task": "regression", "predictions.prediction": "region", "predictions.score": None},
        'predictions.prediction: column "region" of check_predictions is string. Allowed: a number.',
    ),
    ({"weights": "made_text"}, "Write try_cast(`made_text` AS DOUBLE) instead"),
    (
        {"predictions.prediction": "region", "predictions.score": None, "groups": {"column": "version"}},
        "Allowed: a number by which the rows of `groups` are ranked, or one in `predictions.score`.",
    ),
    (
        {"model.task": "regression", "predictions.score": None, "predictions.interval": {"lower": "low", "upper": "price"}},
        'predictions.interval.lower: no column "low" in check_predictions.',
    ),
    (
        {"model.task": "multiclass", "predictions.scores": {"0": "1 - probability", "1": "probabilty"}},
        'predictions.scores.1: no column "probabilty" in check_predictions. Did you mean "probability"?',
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG_COLUMNS + WRONG_TYPES)
def test_a_column_that_is_missing_or_of_the_wrong_type_is_named(checked: Check, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in "\n".join(errors(checked(changes, rows="importances" in changes)))


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ([{"name": "m", "sql": "avg(amont)"}], 'metrics[0].sql: "avg(amont)" cannot be computed of check_predictions: '),
        ([{"name": "m", "sql": "max(tags)"}], 'metrics[0].sql: "max(tags)" cannot be computed of check_predictions: '),
        ([{"name": "m", "sql": "avg(label)", "labels": True}], ""),
        ([{"name": "m", "sql": "avg(amount)"}, {"name": "d", "derived": "m / baseline.m - 1"}], ""),
        ([{"name": "m", "sql": "avg(amount)"}, {"name": "d", "derived": "m div 2"}], "metrics[1].derived: "),
    ],
)
def test_the_sql_of_custom_metrics_is_held_against_the_tables(
    checked: Check, metrics: list[dict[str, Any]], sentence: str
) -> None:
    found = errors(checked({"metrics": metrics}))
    assert len(found) == (1 if sentence else 0)
    assert sentence in "".join(found)


@pytest.mark.slow
def test_a_weight_that_is_made_as_the_finding_advises_is_accepted(checked: Check) -> None:
    assert errors(checked({"weights": "made_text"})) != []
    assert errors(checked({"weights": "try_cast(`made_text` AS DOUBLE)"})) == []


@pytest.mark.parametrize("role", ["predictions.prediction", "predictions.score", "predictions.id"])
def test_a_column_that_predictions_and_baseline_both_lack_is_named_once(checked: Check, role: str) -> None:
    found = [text for text in errors(checked({role: "lacking"})) if '"lacking"' in text]
    assert [text.partition(":")[0] for text in found] == [role]


@pytest.mark.slow
def test_a_decimal_score_and_an_excluded_column_that_is_not_there_do_not_stop_a_run(checked: Check) -> None:
    assert errors(checked({"predictions.score": "price"})) == []
    findings = checked({"predictions.features": {"exclude": ["amont"]}})
    assert errors(findings) == []
    assert 'predictions.features.exclude: no column "amont"' in "\n".join(warnings(findings))


@pytest.mark.parametrize("role", ["predictions", *(pytest.param(one, marks=pytest.mark.slow) for one in ("labels", "baseline"))])
def test_a_table_or_path_that_does_not_exist_is_an_error(checked: Check, tmp_path: Path, role: str) -> None:
    absent = errors(checked({f"{role}.table": "nowhere.to_be_found"}))
    assert any(text.startswith(f"{role}.table: nowhere.to_be_found does not exist or cannot be read: ") for text in absent)
    for kind in ("parquet", "delta"):
        nothing = checked({f"{role}.table": None, f"{role}.path": str(tmp_path / "nothing"), f"{role}.format": kind})
        assert any(text.startswith(f"{role}.path: {kind} at {tmp_path}/nothing does not exist") for text in errors(nothing))


def test_a_path_with_something_else_in_it_is_an_error(checked: Check, tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_text("this is no parquet file")
    found = errors(checked({"predictions.table": None, "predictions.path": str(tmp_path), "predictions.format": "parquet"}))
    assert any(text.startswith("predictions") and "cannot be read" in text for text in found)


@pytest.mark.parametrize(
    "scheme", [pytest.param("", marks=pytest.mark.slow), "file:", pytest.param("file://", marks=pytest.mark.slow)]
)
def test_a_delta_table_is_not_read_as_parquet_files(checked: Check, spark: SparkSession, tmp_path: Path, scheme: str) -> None:
    path = f"{tmp_path}/rows"
    for _ in range(2):  # the rows of the first version are still among the files
        spark.table("check_predictions").drop("wind speed").coalesce(1).write.format("delta").mode("overwrite").save(path)
    found: dict[str, list[str]] = {}
    for kind in ("parquet", "delta"):
        changes = {"predictions.table": None, "predictions.path": scheme + path, "predictions.format": kind}
        found[kind] = [text for text in errors(checked(changes)) if text.startswith("predictions.path")]
    assert found["delta"] == []
    [error] = found["parquet"]
    assert "a Delta table, not Parquet files alone: write format: delta, else deleted and replaced rows would count" in error


def test_parquet_files_are_checked_like_a_table(checked: Check, spark: SparkSession, tmp_path: Path) -> None:
    spark.table("check_predictions").write.parquet(str(tmp_path / "p"))
    assert checked({"predictions.table": None, "predictions.path": str(tmp_path / "p"), "predictions.format": "parquet"}) == []


@pytest.mark.parametrize(
    ("slice_", "sentence"),
    [
        ("amount >> ", "is neither a column of check_predictions nor a condition on its rows"),
        ("regio", 'Did you mean the column "region"?'),
        ("Region", "is an expression of type string. Allowed: a column, or an expression that is true or false. Did you mean"),
        ("amount * 2", "is an expression of type double"),
        ("velocity > 3", "velocity"),
    ],
)
def test_a_slice_that_is_no_column_and_no_condition_is_an_error(checked: Check, slice_: str, sentence: str) -> None:
    found = errors(checked({"slices": ["region", slice_]}))
    assert len(found) == 1
    assert found[0].startswith("slices[1]: ")
    assert sentence in found[0]


@pytest.mark.parametrize(
    "slice_",
    ["amount > 10) OR (true", "amount > 10 -- much", "row_number() OVER (ORDER BY amount) > 5", "explode(tags)", "rand() > 0.5"],
)
def test_a_slice_that_is_more_than_an_expression_is_refused_with_the_file(slice_: str) -> None:
    with pytest.raises(ValidationError, match=r"slices\.1"):
        configured({"slices": ["region", slice_]})


def test_columns_and_conditions_are_slices(checked: Check) -> None:
    conditions = ["`wind speed` > 3", "region = 'south'", "amount BETWEEN 1 AND 5 OR region IS NULL", "tags[0] = 1"]
    assert checked({"slices": ["wind speed", *conditions]}) == []


def test_a_baseline_without_rows_is_an_error_unless_it_was_frozen_earlier(checked: Check) -> None:
    changes = {"baseline.where": "made_at < TIMESTAMP '1999-01-01'"}
    assert errors(checked(changes)) == [
        "baseline.where: no row of check_predictions satisfies made_at < TIMESTAMP '1999-01-01'. "
        "Choose a period that has rows: drift is measured against it."
    ]
    assert checked(changes, baseline_is_frozen=True) == []
    assert checked({"baseline.table": "nowhere.to_be_found"}, baseline_is_frozen=True) == []


@pytest.mark.parametrize("where", ["made_at <", "velocity > 3", "amount + 1"])
def test_a_baseline_condition_that_cannot_be_applied_is_an_error(checked: Check, where: str) -> None:
    found = errors(checked({"baseline.where": where}))
    assert len(found) == 1
    assert found[0].startswith(f'baseline.where: the condition "{where}" cannot be applied to check_predictions: ')


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ({"table": "check_gone"}, "baselines[0].table: check_gone does not exist or cannot be read: "),
        (
            {"table": "check_predictions", "where": "..."},
            'baselines[0].where: the condition "..." cannot be applied to check_pred',
        ),
        ({"table": "check_predictions", "where": "gone = 1"}, 'baselines[0].where: the condition "gone = 1" cannot be applied'),
        (
            {"table": "check_predictions", "where": "amount > 99"},
            "baselines[0].where: no row of check_predictions satisfies amount > 99: nothing would be compared with it. Choose",
        ),
    ],
)
def test_a_further_baseline_is_examined_unless_it_was_frozen_earlier(
    checked: Check, reference: dict[str, Any], sentence: str
) -> None:
    changes = {"baselines": [{"name": "q1", **reference}]}
    [said] = errors(checked(changes))
    assert sentence in said
    assert errors(checked(changes, baseline_is_frozen=True)) == []


def test_what_the_baseline_lacks_or_has_with_another_type_is_a_warning(checked: Check, spark: SparkSession) -> None:
    view(spark.table("check_predictions").drop("amount", "price").selectExpr("*", "1 AS gone", "'1' AS price"), "check_training")
    changes = {"baseline": {"table": "check_training"}}
    findings = checked(changes)
    assert errors(findings) == []
    assert 'baseline: it has no column "amount": drift of these is reported as NO_BASELINE or NEW.' in warnings(findings)
    changed = (
        'column "price" is string in the baseline and decimal(10,2) in the predictions: its drift is reported as TYPE_CHANGED.'
    )
    assert f"baseline: {changed}" in warnings(findings)
    assert (
        'baseline: the prediction table has no column "gone", which it has: reported as MISSING. '
        "If they are no features, name them in predictions.features.exclude."
    ) in warnings(findings)
    view(spark.table("check_predictions").selectExpr("* EXCEPT (price)", "1 AS price"), "check_numbers")
    numbers = warnings(checked({"baseline": {"table": "check_numbers"}}))
    assert not any("price" in text for text in numbers)  # a number is compared with a number
    gone = checked({**changes, "predictions.features": {"include": ["region", "gone"]}, "rules": [rule_on("gone")]})
    assert errors(gone) == []
    assert not any(text.startswith("baseline: the prediction table") for text in warnings(gone))  # said of the feature already
    left_out = warnings(checked({**changes, "predictions.features": {"exclude": ["gone"]}}))
    assert not any("gone" in text for text in left_out)
    assert {text.split(":")[0] for text in warnings(gone)} >= {"predictions.features.include", "rules[0].columns"}


def rule_on(column: str) -> dict[str, Any]:
    return {"metric": "percent_null", "columns": [column], "fail": 1}


def test_a_labelled_baseline_needs_ids_and_answers(checked: Check, spark: SparkSession) -> None:
    view(spark.table("check_predictions").drop("loan", "probability"), "check_training")
    found = errors(checked({"baseline": {"table": "check_training", "labels": True}}))
    assert [text.split(" in ")[0] for text in found] == [
        'baseline.labels: no column "loan"',
        'baseline.labels: no column "probability"',
    ]


def test_labels_whose_ids_match_no_prediction_are_said_and_may_be_those_of_an_older_model(checked: Check) -> None:
    findings = checked({"labels.id": "other"})
    assert errors(findings) == []
    assert warnings(findings) == [
        "labels.id: none of up to 10,000 ids of check_labels is in check_predictions, nor the other way round. "
        "Name the column of check_labels that holds loan, unless its labels are still to come."
    ]


def test_an_id_with_the_name_of_a_computed_column_is_an_error(checked: Check, spark: SparkSession) -> None:
    view(spark.table("check_labels").withColumnRenamed("loan", "label_time"), "check_taken_labels")
    found = errors(checked({"labels.table": "check_taken_labels", "labels.id": "label_time"}))
    assert found == ['labels.id: the name "label_time" is taken by a column that is computed. Rename it in a view.']


def test_ids_of_another_type_are_compared_as_texts_and_said_so(checked: Check) -> None:
    findings = checked({"labels.id": "loan_text"})
    assert errors(findings) == []
    assert len(warnings(findings)) == 1
    found = 'labels.id: "loan_text" is string and "loan" of the predictions is bigint'
    assert f"{found}: ids are compared as strings" in warnings(findings)[0]


@pytest.mark.parametrize(
    "kind", ["double", *(pytest.param(one, marks=pytest.mark.slow) for one in ("decimal(12, 2)", "string", "int"))]
)
def test_ids_meet_as_they_are_joined_whatever_their_types(checked: Check, spark: SparkSession, kind: str) -> None:
    view(spark.table("check_labels").selectExpr("* EXCEPT (loan)", f"CAST(loan AS {kind}) AS loan"), "check_cast_labels")
    assert errors(checked({"labels.table": "check_cast_labels"})) == []


def test_a_label_table_that_holds_far_more_than_the_predictions_is_accepted(checked: Check, spark: SparkSession) -> None:
    many = spark.range(-20_000, ROWS).selectExpr("id AS loan", "1 AS defaulted", "current_timestamp() AS known_at")
    view(many, "check_many_labels")
    assert checked({"labels": {"table": "check_many_labels", "id": "loan", "label": "defaulted", "time": "known_at"}}) == []


def test_empty_tables_are_warnings(checked: Check, spark: SparkSession) -> None:
    view(spark.table("check_predictions").where("false"), "check_none")
    view(spark.table("check_labels").where("false"), "check_no_labels")
    findings = checked({"predictions.table": "check_none", "labels.table": "check_no_labels"})
    assert errors(findings) == []
    assert warnings(findings) == [
        "predictions: check_none has no rows: there is nothing to monitor yet.",
        "labels: check_no_labels has no rows: metrics of the model wait for labels.",
    ]
    assert errors(checked({"predictions.table": "check_none"})) == []


def test_rows_that_an_earlier_run_looked_at_are_not_read_again(checked: Check, spark: SparkSession) -> None:
    view(spark.table("check_predictions").where("raise_error('read') IS NULL"), "check_unreadable")
    changes = {"predictions.table": "check_unreadable", "baseline": None}
    assert "cannot be read" in errors(checked(changes))[0]
    assert errors(checked(changes, rows=False)) == []


def test_columns_that_differ_only_in_case_need_the_setting(checked: Check, spark: SparkSession, tmp_path: Path) -> None:
    setting = "spark.sql.caseSensitive"
    spark.conf.set(setting, "true")
    try:
        spark.table("check_predictions").selectExpr("*", "amount AS Amount").write.parquet(str(tmp_path / "cased"))
        view(spark.table("check_predictions").selectExpr("*", "amount AS Amount"), "check_cased")
        changes = {"predictions.table": "check_cased", "baseline": None}
        assert errors(checked(changes)) == []
        spark.conf.set(setting, "false")
        found = errors(checked({**changes, "slices": [], "rules": [], "labels": None}))
        assert found == [
            "predictions: columns `Amount` and `amount` of check_cased differ only in case. "
            "Set spark.sql.caseSensitive=true, or read a view that has one of them."
        ]
        unused = {"predictions.features": {"exclude": ["amount", "Amount"]}, "slices": [], "rules": [], "labels": None}
        assert errors(checked({**changes, **unused})) == []
        path = {"predictions.table": None, "predictions.path": str(tmp_path / "cased"), "predictions.format": "parquet"}
        assert any("spark.sql.caseSensitive" in text for text in errors(checked({**path, "slices": [], "rules": []})))
    finally:
        spark.conf.unset(setting)


def test_rules_that_nothing_can_answer_are_found(checked: Check) -> None:
    without_labels = errors(checked({"labels": None, "baseline.labels": False}))
    assert without_labels == [
        "rules[2].metric: roc_auc_score needs labels, and this monitor has none. Add `labels`, or remove the rule."
    ]
    assert warnings(checked({"baseline": None})) == [
        "rules[0].metric: ks needs a baseline, and this monitor names none: its first window with rows becomes it. "
        "Name one with `baseline` where that is not wanted."
    ]
    wrong_task = checked({"rules": [{"metric": "r2_score", "fail": "< 0.5"}]})
    assert warnings(wrong_task) == ["rules[0].metric: r2_score is not computed for task binary: the rule will find no data."]
    no_score = checked({"predictions.score": None})
    assert warnings(no_score) == ["rules[2].metric: roc_auc_score needs `predictions.score`: the rule will find no data."]


def test_odd_names_are_quoted_wherever_they_are_used(checked: Check, spark: SparkSession) -> None:
    names = {"loan": "lo`an.id", "made_at": "made at", "probability": "p'%", "amount": "größe 風"}
    frame, labels = spark.table("check_predictions"), spark.table("check_labels").withColumnRenamed("loan", "lo`an.id")
    for old, new in names.items():
        frame = frame.withColumnRenamed(old, new)
    view(frame, "check_odd")
    view(labels, "check_odd_labels")
    roles = {"id": "lo`an.id", "time": "made at", "score": "p'%"}
    changes = {
        "predictions": {"table": "check_odd", **roles, "features": {"include": ["größe 風"]}},
        "labels": {"table": "check_odd_labels", "id": "lo`an.id", "label": "defaulted", "time": "known_at"},
        "baseline": {"table": "check_odd", "where": "`made at` < TIMESTAMP '2024-01-11'"},
        "slices": ["größe 風", "`größe 風` > 3", ["größe 風", "region"]],
        "rules": [rule_on("größe 風"), {"metric": "roc_auc_score", "fail": "< 0.6"}],
    }
    assert checked(changes) == []


def test_all_errors_are_raised_at_once_and_warnings_are_returned(spark: SparkSession, tables: None) -> None:
    wrong = configured({"predictions.time": "made_text", "slices": ["amount >> "], "labels.label": "defaultd"})
    with pytest.raises(ConfigError) as raised:
        require_valid(wrong, spark)
    places = [line.split(": ")[:2] for line in str(raised.value).splitlines()]
    assert places == [["loans", "predictions.time"], ["loans", "slices[0]"], ["loans", "labels.label"]]
    assert raised.value.exit_code == 2
    assert [finding.level for finding in require_valid(configured({"labels.id": "loan_text"}), spark)] == ["warning"]


@pytest.mark.slow
def test_watched_columns_that_go_after_the_file_was_run_are_warnings(spark: SparkSession, tables: None) -> None:
    later = {"rules": [rule_on("amount"), rule_on("gone")], "quality": {"ranges": {"gone": [0, 1], "region": [0, 1]}}}
    with pytest.raises(ConfigError, match=r"quality\.ranges\.gone"):
        require_valid(configured(later), spark)
    told = [str(finding) for finding in require_valid(configured(later), spark, was_run=True)]
    for place in ("rules[1].columns", "quality.ranges.gone", "quality.ranges.region"):
        (one,) = [sentence for sentence in told if sentence.startswith(f"{place}: ")]
        assert one.endswith("The file was right before: the table has changed, and the run goes on.")
    with pytest.raises(ConfigError, match=r"predictions\.time"):
        require_valid(configured({**later, "predictions.time": "made_text"}), spark, was_run=True)


def made_view(spark: SparkSession, name: str, *columns: str) -> None:
    """The predictions with columns made otherwise."""
    frame = spark.table("check_predictions")
    for column in columns:
        made, _, alias = column.rpartition(" AS ")
        frame = frame.selectExpr(*(f"`{kept}`" for kept in frame.columns if kept != alias), f"{made} AS {alias}")
    frame.createOrReplaceTempView(name)


@pytest.mark.parametrize(
    ("score", "made"), [("probability * 100", "`probability` / 100"), ("ln(probability + 0.01)", "1 / (1 + exp(-`probability`))")]
)
def test_scores_that_are_no_probabilities_are_said(spark: SparkSession, checked: Check, score: str, made: str) -> None:
    made_view(spark, "scored", f"{score} AS probability")
    (found,) = [text for text in warnings(checked({"predictions.table": "scored"})) if text.startswith("predictions.score")]
    assert "they are no probabilities" in found
    assert made in found


def test_ids_that_are_not_unique_and_slices_of_too_many_values_are_said(spark: SparkSession, checked: Check) -> None:
    made_view(spark, "repeated", "loan div 4 AS loan")
    found = warnings(checked({"predictions.table": "repeated", "slices": ["made_text"], "max_slice_values": 10}))
    assert any(text.startswith("predictions.id: 30 of the first 40 rows of repeated have an id") for text in found)
    assert any(text.startswith('slices[0]: "made_text" has about ') for text in found)


FAIRNESS = {"groups": ["region", "amount > 10"], "reference": {"region": "nrth", "amount > 10": True}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"fairness": FAIRNESS},
            'fairness.reference.region: found "nrth", a value that none of the first 100,000 rows of check_predictions has: '
            'no group can be held against it. The most frequent are "north", "south". Name one of them.',
        ),
        ({"slices": ["constant"]}, 'slices[0]: "constant" has one value in the first 40 rows of odd, so its slice is the whole'),
        ({"slices": ["nothing"]}, 'slices[0]: "nothing" has no value in the first 40 rows of odd, so its slice is the whole'),
        ({"slices": ["amount >= 0"]}, 'slices[0]: "amount >= 0" has one value in the first 40 rows of odd'),
        (
            {"importances": {"table": "check_importances"}},
            "importances: 2 of the 3 features of check_importances are no watched columns (amont, fare): their importance",
        ),
        ({"importances": {"table": "check_no_importances"}}, "importances: check_no_importances has no rows: causes are ranked"),
        (
            {"rules": [{"metric": "recall", "class": "9", "fail": "< 0.1"}]},
            'rules[0].class: no label of up to 10,000 is "9"; found "0", "1". Name one of them.',
        ),
    ],
)
def test_what_the_file_names_and_no_row_has_is_said(
    spark: SparkSession, checked: Check, changes: dict[str, Any], sentence: str
) -> None:
    made_view(spark, "odd", "'a' AS constant", "CAST(NULL AS STRING) AS nothing")
    for name, features in (("check_importances", ["amount", "amont", "fare"]), ("check_no_importances", [])):
        spark.createDataFrame([(one, 1.0) for one in features], "feature string, importance double").createOrReplaceTempView(name)
    table = {"predictions.table": "odd"} if "slices" in changes else {}

    found = checked({**table, **changes})

    assert [text for text in warnings(found) if text.startswith(sentence)], warnings(found)
    assert errors(found) == []


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("sold", [True], "holds boolean, and nothing is held against such values. Declare columns: {sold: categorical}"),
        ("tags", [1], 'column "tags" holds array<int>, and nothing is held against such values. Remove it.'),
        ("later", ["soon"], 'column "later" holds timestamp, and "soon" is no time. Write times as 2024-05-01'),
    ],
)
def test_allowed_values_that_are_held_against_nothing_are_an_error(
    spark: SparkSession, checked: Check, column: str, values: list[Any], sentence: str
) -> None:
    made_view(spark, "sales", "amount > 3 AS sold", "made_at AS later")
    found = errors(checked({"predictions.table": "sales", "quality": {"allowed": {column: values}}}))
    assert len(found) == 1
    assert found[0].startswith(f"quality.allowed.{column}: column")
    assert sentence in found[0]
    assert errors(checked({"predictions.table": "sales", "quality": {"allowed": {"later": ["2024-05-01"]}}})) == []


def test_scores_of_the_other_class_and_rules_for_numbers_about_texts_are_said(spark: SparkSession, checked: Check) -> None:
    many = "explode(sequence(0, 4)) AS copy"
    spark.table("check_predictions").selectExpr("*", many).withColumn("loan", F.expr("loan * 5 + copy")).drop(
        "copy"
    ).createOrReplaceTempView("many")
    backwards = "CASE WHEN probability < 0.5 THEN 1 ELSE 0 END AS defaulted"
    spark.table("many").selectExpr("loan", backwards, "made_at AS known_at").createOrReplaceTempView("many_labels")
    tables = {"predictions.table": "many", "labels.table": "many_labels"}
    found = warnings(checked(tables))
    said = 'predictions.positive: scores are lower where the label is "1" (AUC 0.00 of 200 rows). Is the positive class "0"?'
    assert any(text.startswith(said) for text in found)
    absent = warnings(checked({**tables, "predictions.positive": 2}))
    assert any('is the positive class "2"; found "0", "1". Name the label' in text for text in absent)
    # What it advises works.
    assert not any("scores are lower" in text for text in warnings(checked({**tables, "predictions.positive": 0})))
    rules = [{"metric": "ks", "columns": ["region", "amount"], "fail": 0.1}]
    found = warnings(checked({"rules": rules}))
    assert any(text.startswith('rules[0].columns: ks is for numbers, and "region" holds strings') for text in found)
    rules = [{"metric": "population_stability_index", "columns": ["region"], "fail": 0.1}]
    assert not any("holds texts" in text for text in warnings(checked({"rules": rules})))


def test_columns_that_differ_only_in_case_between_the_tables_are_said(spark: SparkSession, checked: Check) -> None:
    spark.table("check_predictions").withColumnRenamed("amount", "Amount").createOrReplaceTempView("renamed")
    found = warnings(checked({"baseline.table": "renamed"}))
    (said,) = [text for text in found if "differ only in case" in text]
    assert said.startswith('baseline: its column "Amount" and "amount" of the predictions differ only in case')
    assert not any("no column" in text and "mount" in text for text in found)


@pytest.mark.slow
def test_numbers_of_a_catalog_that_paths_write_otherwise_are_said(spark: SparkSession, checked: Check, tmp_path: Path) -> None:
    rows = spark.table("check_predictions")
    for store in ("007", "7"):
        rows.write.parquet(f"{tmp_path}/rows/store={store}")
    spark.sql(f"CREATE TABLE check_stores USING parquet LOCATION '{tmp_path}/rows'")
    try:
        spark.sql("MSCK REPAIR TABLE check_stores")
        found = warnings(checked({"predictions.table": "check_stores"}))
    finally:
        spark.sql("DROP TABLE check_stores")
    assert any(text.startswith('predictions.table: column "store" of check_stores is a number, and paths of') for text in found)


def test_outputs_where_something_else_stands_are_an_error(checked: Check, tmp_path: Path) -> None:
    if is_remote():
        pytest.skip("paths are those of the server's machine")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "notes.txt").write_text("mine", encoding="utf-8")
    found = errors(checked({"outputs": {"path": str(tmp_path)}}))
    assert found == [
        f"outputs.path: {tmp_path}/checks is no Delta table, and a table of that name is written there. Name another directory, "
        "or move it away."
    ]


def test_outputs_that_cannot_be_reached_are_an_error(checked: Check) -> None:
    (unreached,) = errors(checked({"outputs": {"path": "nowhere://bucket/out"}}))
    assert unreached.startswith("outputs.path: nowhere://bucket/out cannot be reached:")


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        ("slices", ["user = 'ann'"], "user"),
        ("slices", ["session.limit < amount"], "session"),
        ("baseline.where", "amount > 0 AND user <> 'ann'", "user"),
        ("baselines", [{"name": "first", "table": "check_predictions", "where": "user = 'ann'"}], "user"),
        ("metrics", [{"name": "mine", "sql": "count_if(user = 'ann')"}], "user"),
        ("costs", {"table": "check_predictions", "time": "made_at", "cost": "amount + user"}, "user"),
        ("predictions.score", "amount + secret_limit", "amount + secret_limit"),
    ],
)
def test_a_name_that_is_no_column_is_nothing_of_the_session(
    checked: Check, spark: SparkSession, place: str, value: Any, name: str
) -> None:
    spark.sql("DECLARE OR REPLACE VARIABLE secret_limit DOUBLE DEFAULT 5")
    found = checked({place: value})
    assert any(finding.where.startswith(place) and f'no column "{name}"' in finding.sentence for finding in found), found


def test_a_call_of_a_function_that_is_none_of_sparks_is_found(checked: Check) -> None:
    found = checked({"slices": ["stranger(amount)"]})
    assert any("stranger is no function that may be called" in finding.sentence for finding in found), found
