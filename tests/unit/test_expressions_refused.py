"""SQL in a monitor's file: expressions over a row pass, everything that could do more is refused before Spark sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from spark_monitor.config.aggregates import parse_aggregate
from spark_monitor.config.expressions import require_condition, require_expression, unknown_names
from spark_monitor.config.monitor import load_config
from spark_monitor.errors import ConfigError

ALLOWED = [
    *("wind speed", "from", "größe 温度", "dotted.name", "wind (kmh)", "price_eur", "`weird ; name` > 1", "`a--b` IS NULL"),
    *("distance > 1000", "status >= 500", "at < TIMESTAMP '2013-03-01'", "a RLIKE 'b--c'", "a LIKE '%;%'", "a <=> NULL"),
    *("hour(from_utc_timestamp(at, 'Asia/Tokyo')) BETWEEN 6 AND 9", "EXTRACT(HOUR FROM at) > 5", "dayofweek(at) = 1"),
    *(
        "exists(xs, x -> x > 1)",
        "size(filter(xs, x -> x > 0)) > 1",
        "from_json(x, 'a int').a > 1",
        "map_from_entries(x)['k'] = 1",
    ),
    *("CASE WHEN (a) THEN b END = 1", "(a, b) IN ((1, 2), (3, 4))", "try_cast(a AS INT) = 1", "input_file_name() LIKE '%2024%'"),
    *(
        "user = 'x'",
        "unix_timestamp(at) > 5",
        "`current_date` = 1",
        "`window` > 1",
        "window.start < at",
        "uniform = 1",
        "now > 1",
    ),
    *(
        "price (EUR)",
        "a LIKE ANY ('x', 'y')",
        "CAST(a AS DECIMAL(10, 2)) > 1",
        "extract(YEAR FROM (a)) > 1",
        "a IS DISTINCT FROM (b)",
    ),
    *("aggregate(xs, 0, (acc, x) -> acc + x) > 1", "vector_to_array(a)[1] > 0.5", "h3_longlatash3(a, b, 3) = 1", "a = r'\\('"),
    *("`session_user` = 1", "_metadata.file_path LIKE '%x%'", "timestampdiff(DAY, a, b) > 1", "a COLLATE UNICODE_CI = ('x')"),
    *("substring(a FROM 1 FOR 2) = 'x'", "at >= (TIMESTAMP '2013-03-01 00:00:00Z' + INTERVAL 2 DAYS)", "a = 'it''s (SELECT 1)'"),
]
REFUSED = [
    *(
        "a > (SELECT max(x) FROM other)",
        "EXISTS (SELECT 1 FROM other)",
        "a IN (SELECT b FROM other)",
        "SELECT 1",
        "(VALUES (1)) > 1",
    ),
    *("(TABLE other)", "TABLE other", "FROM other SELECT x", "(WITH q AS (SELECT 1) SELECT * FROM q)", "a > 1 UNION SELECT 1"),
    *(
        "java_method('java.lang.System', 'exit', 1) = 'x'",
        "JAVA_METHOD ('a', 'b')",
        "`reflect`('a', 'b')",
        "try_reflect('a', 'b')",
    ),
    *("reflect\n('a', 'b')", "secret('scope', 'key') = 'x'", "ai_query('model', a) = 'x'", "http_request(a) IS NULL"),
    *("read_files('/etc') = 1", "identifier('other') > 1", "raise_error('x')", "main.secret.f(a) = 1", "f.g(a)"),
    *("a > 1 -- rest", "a > 1 /* rest */", "a > 1 /*+ hint */", "(SELECT/**/1)", "a > 1; DROP TABLE runs", "a = 'x\\'--'"),
    *("at > now()", "at > current_timestamp", "at > CURRENT_DATE - 30", "at < current_timestamp()", "to_date(at) < curdate()"),
    *("rand() > 0.5", "uuid() = 'x'", "monotonically_increasing_id() % 2 = 0", "random(3) > 1", "unix_timestamp() > a"),
    *("current_user() = 'ann'", "current_user = 'ann'", "version() = '4'", "localtimestamp() > at", "shuffle(xs)[0] = 1"),
    *("explode(xs)", "explode(array(true, true))", "a > 0 AND inline(xs)", "stack(2, 1, 2) = 1", "json_tuple(a, 'b') = 1"),
    *("window(at, '2 days', '1 day').start < at", "session_window(at, '1 day').start IS NULL", "`explode`(xs) = 1"),
    *("from_avro(a, 'subject', 'https://registry')", "from_protobuf(a, 'm', '/etc/file')", "abs(:p) > 1", "abs(?) > 1"),
    *("`${env:HOME}` = 1", "a = '${system:user.home}'", "${spark.app.name}", "length('$${env:HOME}') > 1", "$${a}"),
    *("my_udf(a) > 1", "`my udf`(a) > 1", "temp_fn(a, 'x')", "\"reflect\"('a')", "'reflect'('a')", "getvariable('x') = 1"),
    *("localtimestamp > at", "session_user = 'ann'", "(localtimestamp) > at", "range(10).id = 1", "aes_encrypt(a, b) = 'x'"),
    *(
        "sum(a) > 1",
        "lag(a) = 1",
        "abs(sum(a)) > 1",
        "exists(TABLE other)",
        "x IN (FROM other SELECT a)",
        "(MAP a USING 'cat' FROM t)",
    ),
    *(
        "IDENTIFIER('reflect')('a')",
        "system.builtin.reflect('a', 'b')",
        "transform(xs, x -> java_method(x, 'b'))",
        "read_statestore('a')",
    ),
    *(
        "a >\u00a0(SELECT max(x) FROM other)",
        "a > (\u2003SELECT 1)",
        "reflect\u00a0('a')",
        "abs(a) > @@x",
        "CALL f()",
        "cube(a) = 1",
    ),
    *("1) OR (1 = 1", "a) AS x, (b", "row_number() OVER (ORDER BY a) = 1", "(a > 1", "a = 'unclosed (", "(a AS b) > 1"),
]

NOT_OF_A_METRIC = ("sum(a) > 1", "abs(sum(a)) > 1")
PLACES = {
    "slices": {"slices": ["@"]},
    "baseline.where": {"baseline": {"table": "t", "where": "@"}},
    "baselines": {"baselines": [{"name": "old", "table": "t", "where": "@"}]},
    "operations.failed": {"operations": {"table": "t", "time": "at", "failed": "@"}},
    "operations.endpoint": {"operations": {"table": "t", "time": "at", "endpoint": "@"}},
    "pipelines.runs.status": {"pipelines": {"runs": {"table": "t", "time": "at", "step": "s", "status": "@"}}},
    "costs.where": {"costs": {"table": "t", "format": "focus", "where": "@"}},
    "costs.tag": {"costs": {"table": "t", "format": "focus", "tag": "@"}},
    "predictions.score": {"predictions": {"table": "t", "id": "i", "time": "at", "prediction": "p", "score": "@"}},
    "predictions.id": {"predictions": {"table": "t", "id": ["@"], "time": "at", "prediction": "p"}},
    "predictions.scores": {"predictions": {"table": "t", "id": "i", "time": "at", "prediction": "p", "scores": {"a": "@"}}},
}


@pytest.mark.parametrize("text", ALLOWED)
def test_an_expression_over_a_row_is_allowed(text: str) -> None:
    assert require_expression(text) == text


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_more_than_an_expression_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"(?s)^found .*\.$"):
        require_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        *(one for one in REFUSED if one not in NOT_OF_A_METRIC),
        "sum(my_udf(a))",
        "lag(a)",
        "sum(localtimestamp > at)",
        "sum(a) FROM other",
        "sum(main.secret.f(a))",
        "max(ai_gen(a))",
        "sum((SELECT 1))",
    ],
)
def test_custom_metrics_refuse_it_too(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_aggregate(text)


def test_no_call_is_taken_for_a_name_where_only_a_condition_can_stand() -> None:
    assert require_expression("price (EUR)") == "price (EUR)"
    with pytest.raises(ConfigError, match=r"price is no function that may be called.*backticks"):
        require_condition("price (EUR)")


def test_a_function_that_is_almost_one_is_suggested() -> None:
    with pytest.raises(ConfigError, match='Did you mean "to_timestamp"'):
        require_expression("to_timestmp(a) > b")


def test_a_name_that_is_no_column_is_seen_wherever_it_stands() -> None:
    text = "amount > 1 AND user = 'x' OR exists(xs, x -> x > session.y)"
    assert unknown_names(text, ["Amount", "xs"]) == ["user", "session"]
    assert unknown_names("predictions.amount > _metadata.file_size", ["amount"]) == []


@pytest.mark.parametrize("place", PLACES)
def test_every_place_for_sql_in_the_file_is_guarded(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, place, "a > (SELECT max(x) FROM other)"))
    assert place.split(".")[0] in str(raised.value)
    assert "no subquery" in str(raised.value)
    load_config(written(tmp_path, place, "a > abs(b)"))


NAMES = {
    "predictions.table": {"predictions": {"table": "@", "id": "i", "time": "at", "prediction": "p"}},
    "predictions.path": {"predictions": {"path": "@", "id": "i", "time": "at", "prediction": "p"}},
    "predictions.id": {"predictions": {"table": "t", "id": "@", "time": "at", "prediction": "p"}},
    "predictions.time": {"predictions": {"table": "t", "id": "i", "time": "@", "prediction": "p"}},
    "labels.label": {"labels": {"table": "t", "id": "i", "time": "at", "label": "@"}},
    "slices": {"slices": [["@", "b"]]},
    "rules": {"rules": [{"metric": "ks", "columns": ["@"], "fail": 1}]},
    "outputs.path": {"outputs": {"path": "@"}},
    "outputs.schema": {"outputs": {"schema": "@"}},
    "operations.table": {"operations": {"table": "@", "time": "at"}},
    "baselines": {"baselines": [{"name": "old", "table": "@"}]},
}


@pytest.mark.parametrize("place", NAMES)
def test_no_name_holds_a_variable_that_spark_would_replace(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, place, "a${env:HOME}", NAMES))
    assert place.split(".")[0] in str(raised.value)
    assert '"${" begins a variable' in str(raised.value)


def written(directory: Path, place: str, text: str, content_of: Mapping[str, Any] = PLACES) -> Path:
    content = {
        "monitor": "m",
        "model": {"name": "m", "task": "multiclass"},
        "predictions": {"table": "t", "id": "i", "time": "at", "prediction": "p"},
        "outputs": {"path": "out"},
        **content_of[place],
    }
    file = directory / "m.yaml"
    file.write_text(yaml.safe_dump(content).replace("'@'", json.dumps(text)), encoding="utf-8")
    return file
