"""A monitor's file: what is read from it, what is refused, and whether the sentences help."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from spark_monitor.config.file import key_names
from spark_monitor.config.monitor import KNOWN_METRICS, METRIC_ALIASES, MonitorConfig, load_config
from spark_monitor.config.thresholds import Threshold, parse_threshold
from spark_monitor.config.vocabulary import METRICS_OF_TASK
from spark_monitor.errors import ConfigError
from spark_monitor.scores.catalogue import METRICS
from spark_monitor.text.quoting import slice_key
from spark_monitor.windowing.windows import Granularity, parse_duration

DESIGN = """
monitor: flights_delay
model: {name: flights_delay, task: binary}
predictions:
  table: demo.predictions
  id: flight_id
  time: predicted_at
  model_version: model_version
  prediction: predicted
  score: probability
  positive: 1
  threshold: 0.5
  features: {include: [], exclude: []}
labels: {table: demo.labels, id: flight_id, label: arrived_late, time: labelled_at, horizon: 14 days}
baseline: {table: demo.predictions, where: "predicted_at < TIMESTAMP '2013-03-01'", labels: true}
windows: {every: 1 week, zone: UTC, also: [1 month], lookback: 30 days}
slices: [origin, carrier, "distance > 1000", [origin, carrier]]
rules:
  - {metric: ks, columns: "*", warn: 0.05, fail: 0.10, min_count: 500}
  - {metric: percent_null, columns: [wind_speed], fail: 5, severity: critical}
  - {metric: roc_auc_score, fail: "< 0.65", owner: delays-team, runbook: "docs/runbooks/auc.md"}
outputs:
  schema: monitoring
  mlflow: {tracking_uri: "sqlite:///mlflow.db", experiment: flights_delay}
"""

Load = Callable[[str], MonitorConfig]
Complaint = Callable[[str], str]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str) -> MonitorConfig:
        file = tmp_path / "fraud.yaml"
        file.write_text(text, encoding="utf-8")
        return load_config(file)

    return load_text


@pytest.fixture
def complaint(load: Load) -> Complaint:
    def complaint_about(text: str) -> str:
        with pytest.raises(ConfigError) as raised:
            load(text)
        assert raised.value.exit_code == 2
        return str(raised.value)

    return complaint_about


def changed(change: Change) -> str:
    content = copy.deepcopy(yaml.safe_load(DESIGN))
    change(content)
    return yaml.safe_dump(content)


def replaced(*parts: tuple[str, object]) -> Change:
    """Several changes one after the other."""

    def change(content: Any) -> None:
        for place, value in parts:
            put(place, value)(content)

    return change


def put(place: str, value: object) -> Change:
    """A change that sets the key at a dotted place, numbers being list positions."""

    def change(content: Any) -> None:
        *path, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        for part in path:
            content = content[part]
        content[last] = value

    return change


def drop(place: str) -> Change:
    def change(content: Any) -> None:
        *path, last = place.split(".")
        for part in path:
            content = content[part]
        del content[last]

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("windows.lookback", "90 minutes"),
        put("labels.horizon", "90 minutes"),
        put("baselines", [{"name": "before", "kind": "seasonal", "lag": "90 minutes"}]),
        put("pipelines", {"runs": {"table": "ops.runs", "time": "ended", "step": "task", "grace": "90 minutes"}}),
    ],
    ids=["lookback", "horizon", "lag", "grace"],
)
def test_a_length_of_time_may_be_minutes_wherever_one_is_named(load: Load, change: Change) -> None:
    config = load(changed(change))
    assert config.labels is not None
    lengths = [config.windows.lookback, config.labels.horizon, *(lag for one in config.baselines for lag in one.lag)]
    if config.pipelines is not None and config.pipelines.runs is not None:
        lengths.append(config.pipelines.runs.grace)
    assert timedelta(minutes=90) in map(parse_duration, lengths)


def test_the_design_s_file_is_read_key_for_key(load: Load) -> None:
    config = load(DESIGN)
    assert (config.monitor, config.model.name, config.model.task) == ("flights_delay", "flights_delay", "binary")
    predictions = config.predictions
    assert (predictions.table, predictions.path, predictions.format) == ("demo.predictions", None, None)
    assert (predictions.id, predictions.time, predictions.model_version) == (("flight_id",), "predicted_at", "model_version")
    assert (predictions.prediction, predictions.score) == ("predicted", "probability")
    assert (predictions.positive, predictions.threshold) == (1, 0.5)
    assert config.labels is not None
    assert config.labels.horizon_duration == timedelta(days=14)
    assert config.baseline is not None
    assert config.baseline.labels is True
    assert config.windows.granularity == Granularity("week")
    assert config.windows.coarser == (Granularity("month"),)
    assert config.windows.lookback_duration == timedelta(days=30)
    assert config.slices == ("origin", "carrier", "distance > 1000", ("origin", "carrier"))
    assert [slice_key(slice_) for slice_ in config.slices] == ["origin", "carrier", "distance > 1000", "origin, carrier"]
    ks, nulls, auc = config.rules
    assert (ks.metric, ks.columns, ks.warn, ks.fail, ks.min_count) == ("ks", "*", Threshold(">", 0.05), Threshold(">", 0.1), 500)
    assert (nulls.columns, nulls.fail, nulls.severity) == (("wind_speed",), Threshold(">", 5.0), "critical")
    assert (auc.fail, auc.owner, auc.family) == (Threshold("<", 0.65), "delays-team", "model")
    assert auc.runbook == "docs/runbooks/auc.md"
    assert config.outputs.schema_name == "monitoring"
    assert config.outputs.mlflow is not None
    assert config.outputs.mlflow.tracking_uri == "sqlite:///mlflow.db"


def test_the_shortest_file_gets_the_documented_defaults(load: Load) -> None:
    predictions = "{path: /data/p, format: parquet, id: [a, b], time: at}"
    config = load(f"{{monitor: m, model: {{name: m, task: none}}, predictions: {predictions}, outputs: {{path: out}}}}")
    assert (config.predictions.id, config.predictions.positive, config.predictions.threshold) == (("a", "b"), 1, 0.5)
    assert (config.predictions.model_version, config.predictions.prediction, config.predictions.score) == (None, None, None)
    assert (config.labels, config.baseline, config.slices, config.rules) == (None, None, (), ())
    windows = config.windows
    assert (windows.every, windows.zone, windows.also, windows.lookback) == ("1 day", "UTC", (), "30 days")


CONF = Path(__file__).parents[2] / "conf"


def test_the_demo_s_file_loads() -> None:
    config = load_config(CONF / "flights.yaml")
    assert {"origin", "carrier", "distance > 1000"} <= set(config.slices)


def test_the_reference_has_every_section_and_loads() -> None:
    written = yaml.safe_load((CONF / "reference.yaml").read_text(encoding="utf-8"))
    load_config(CONF / "reference.yaml")
    assert set(written) == set(key_names(MonitorConfig))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def keys_below(model: type[BaseModel]) -> set[str]:
    """Every key of a section and of the sections in it."""
    below = [keys_below(inner) for field in model.model_fields.values() for inner in models_in(field.annotation)]
    return set(key_names(model)).union(*below)


def test_the_reference_has_every_key_in_its_section() -> None:
    text = (CONF / "reference.yaml").read_text(encoding="utf-8")
    blocks = {found[1]: found[0] for found in re.finditer(r"^([a-z_]+):.*\n(?:[ #].*\n)*", text, re.MULTILINE)}
    fields = {field.alias or name: field for name, field in MonitorConfig.model_fields.items()}
    wanted = {(name, key) for name, field in fields.items() for model in models_in(field.annotation) for key in keys_below(model)}
    wanted = {(name, key) for name, key in wanted if key not in ("path", "format")}  # the first lines speak of both
    missing = {(name, key) for name, key in wanted if not re.search(rf"\b{key}\b(: |:\n| is| are)", blocks[name])}
    assert len(wanted) > 100
    assert sorted(missing) == []


@pytest.mark.parametrize("name", ["flights.yaml", "reference.yaml"])
def test_a_file_of_ours_explains_the_keys_that_it_has(name: str) -> None:
    lines = ["", *(CONF / name).read_text(encoding="utf-8").splitlines()]
    keys = re.compile(r"^ *(?:- )?([a-z_]+): ")
    found = [(key[1], above + line) for above, line in pairwise(lines) if (key := keys.match(line))]
    explained = {key for key, text in found if "#" in text}
    assert sorted({key for key, _ in found} - explained) == []


def test_a_literal_version_is_told_from_a_column(load: Load) -> None:
    version = load(changed(put("predictions.model_version", {"literal": "3"}))).predictions.model_version
    assert getattr(version, "literal", None) == "3"


@pytest.mark.parametrize("value", [1, 0, True, "yes", 2.5])
def test_the_positive_value_keeps_its_type(load: Load, value: object) -> None:
    positive = load(changed(put("predictions.positive", value))).predictions.positive
    assert positive == value
    assert type(positive) is type(value)


@pytest.mark.parametrize(("alias", "name"), METRIC_ALIASES.items())
def test_an_alias_of_a_metric_is_stored_under_its_one_name(load: Load, alias: str, name: str) -> None:
    change = put("rules.0", {"metric": alias, "fail": 1})
    assert load(changed(change)).rules[0].metric == name
    assert name in KNOWN_METRICS


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_metrics_of_a_task_are_those_of_the_catalogue(task: str) -> None:
    assert {metric.name for metric in METRICS if metric.task == task} <= METRICS_OF_TASK[task]
    assert {name for name in METRICS_OF_TASK[task] if KNOWN_METRICS[name] != "model"} == set()


def test_one_column_may_be_written_without_brackets(load: Load) -> None:
    assert load(changed(put("rules.1.columns", "wind_speed"))).rules[1].columns == ("wind_speed",)


def test_odd_column_names_are_kept_as_they_are(load: Load) -> None:
    names = ["wind speed", "a.b", "back`tick", "quo'te", "größe", "風"]
    assert load(changed(put("predictions.features.include", names))).predictions.features.include == tuple(names)


def test_a_column_in_backticks_is_that_column(load: Load) -> None:
    written = replaced(
        ("predictions.id", ["`pred id`", "`a``b`"]), ("predictions.score", "`my score`"), ("labels.id", ["x", "y"])
    )
    predictions = load(changed(written)).predictions
    assert (predictions.id, predictions.score) == (("pred id", "a`b"), "my score")
    assert load(changed(put("predictions.score", "`p`[1]"))).predictions.score == "`p`[1]"


COMPLAINTS: list[tuple[Change, str]] = [
    (put("monitor", "Flights Delay"), 'monitor: found "Flights Delay". Allowed: a-z, 0-9 and _'),
    (put("monitor", "flights\n"), "monitor: found"),
    (put("monitor", "a" * 201), "monitor: found a name of 201 letters. Allowed: up to 200."),
    (put("monitor", 5), "monitor: found the number 5."),
    (put("model.task", "binry"), 'model.task: unknown task "binry". Known: binary, multiclass, none, regression. Did you mean'),
    (put("model.tsk", "binary"), 'model: unknown key "tsk". Known: costs, name, task. Did you mean "task"?'),
    (put("colour", "red"), 'unknown key "colour". Known: alerts, baseline, baselines,'),
    (
        put("outputs.schema", "a.b.c"),
        'outputs.schema: found "a.b.c", 3 names: a table in it would have 4. Allowed: a schema, or catalog.schema.',
    ),
    (
        put("outputs.schema_name", "x"),
        'outputs: unknown key "schema_name". Known: keep, mlflow, path, schema. Did you',
    ),
    (drop("predictions.time"), "predictions.time: this key is missing. It is required: the column that holds when"),
    (drop("outputs"), "outputs: this key is missing. It is required: {schema: ...} or {path: ...}."),
    (put("predictions.path", "x"), "predictions: found both `table` and `path`."),
    (drop("predictions.table"), "predictions: found neither `table` nor `path`."),
    (put("labels.format", "delta"), "labels.format: found beside `table`."),
    (put("baseline.format", "csv"), 'baseline.format: unknown format "csv". Known: delta, parquet.'),
    (
        put("baseline.format", "iceberg"),
        "baseline.format: found iceberg. Allowed: delta, parquet. Rows of an Iceberg table are read by its name",
    ),
    (put("predictions.id", []), "predictions.id: found a list of 0. Allowed: the column that identifies"),
    (put("predictions.id", ["a", "a"]), 'predictions.id: found "a" more than once.'),
    (put("predictions.id", ["a", 3]), "predictions.id[1]: found the number 3."),
    (put("predictions.time", "  "), "predictions.time: found an empty string."),
    (put("predictions.time", None), "predictions.time: found nothing."),
    (put("predictions.score", False), "predictions.score: found false (a yes/no value; put a name in quotes)."),
    (put("predictions.score", "predicted"), 'predictions.score: found "predicted", which is also `prediction`.'),
    (put("predictions.positive", None), "predictions.positive: found nothing. Allowed: one number, string or true/false."),
    (put("predictions.positive", float("nan")), "predictions.positive: found the number nan."),
    (put("predictions.positive", [1]), "predictions.positive: found a list of 1."),
    (put("predictions.threshold", 1.5), "predictions.threshold: found the number 1.5. Allowed: a number from 0 to 1"),
    (put("predictions.threshold", float("nan")), "predictions.threshold: found the number nan."),
    (put("predictions.threshold", True), "predictions.threshold: found true. Allowed: a number."),
    (put("predictions.model_version", {"litral": "3"}), 'predictions.model_version: unknown key "litral". Known: literal.'),
    (put("predictions.model_version", {"literal": 3}), "predictions.model_version.literal: found the number 3."),
    (put("predictions.features.include", ["a", "a"]), 'predictions.features.include: found "a" more than once.'),
    (put("predictions.features", {"include": ["a"], "exclude": ["a"]}), 'predictions.features.exclude: found "a", also in'),
    (put("predictions.features.include", ["probability"]), 'predictions.features.include: found "probability" (score).'),
    (
        put("labels.horizon", 14),
        "labels.horizon: found the number 14. Allowed: how long labels may take to arrive, such as 14 days.",
    ),
    (put("labels.horizon", "2 fortnights"), 'labels.horizon: found "2 fortnights". Allowed: an integer and a unit'),
    (put("labels.id", ["a", "b"]), "labels.id: found 2 columns; predictions.id has 1."),
    (put("baseline.labels", "perhaps"), 'baseline.labels: found "perhaps". Allowed: true or false'),
    (drop("labels"), "baseline.labels: found true without a label table."),
    (put("model.task", "none"), "labels: found beside task none."),
    (put("windows.every", "1 wek"), 'windows.every: found "1 wek".'),
    (put("windows.zone", "Europe/Berln"), 'windows.zone: unknown time zone "Europe/Berln".'),
    (put("windows.zone", "posix/Europe/Berlin"), 'windows.zone: unknown time zone "posix/Europe/Berlin".'),
    (put("windows.also", ["1 day"]), 'windows.also: found "1 day". Allowed: windows longer than `every`, which is 1 week.'),
    (put("windows.also", ["1 week"]), 'windows.also: found "1 week".'),
    (put("windows.also", ["1 month", "1 months"]), 'windows.also: found "1 month" more than once.'),
    (
        put("windows.lookback", "30 seconds"),
        'windows.lookback: found "30 seconds". Allowed: an integer and a unit (minute, hour,',
    ),
    (put("slices", ["origin", "origin"]), 'slices: found "origin" more than once.'),
    (put("slices", [["a", "b"], ["b", "a"]]), 'slices: found "a, b" more than once.'),
    (put("slices", [["a"]]), "slices: found the cross [a]."),
    (put("slices", [["a", "a"]]), 'slices[0]: found "a" more than once.'),
    (put("slices", [4]), "slices[0]: found the number 4."),
    (put("fairness", {"groups": ["orign"]}), 'fairness.groups: found "orign", which is no slice. Slices of this monitor: "'),
    (replaced(("model.task", "regression"), ("fairness", {"groups": ["origin"]})), "fairness: found beside task regression."),
    (put("slices", "origin"), 'slices: found "origin". Allowed: columns, boolean SQL expressions'),
    (put("max_slice_values", 0), "max_slice_values: found the number 0. Allowed: how many values of a slice key are kept apart"),
    (put("max_slice_values", True), "max_slice_values: found true."),
    (put("task_memory", 512), "task_memory: found the number 512. Allowed: the memory of a task, such as 512 MiB."),
    (put("task_memory", "512 MB"), 'task_memory: found "512 MB". Allowed: from 64 MiB to 64 GiB, such as 512 MiB or 2 GiB.'),
    (put("task_memory", "1 MiB"), 'task_memory: found "1 MiB". Allowed: from 64 MiB to 64 GiB'),
    (put("rules.2.metric", "kss"), 'rules[2].metric: unknown metric "kss". Known: '),
    (put("rules.0", {"metric": "ks"}), "rules[0]: found neither `warn` nor `fail`."),
    (put("rules.0.warn", 0.2), 'rules[0].warn: found "> 0.2", beyond fail "> 0.1". Warn must come before fail.'),
    (put("rules.2.warn", "< 0.6"), 'rules[2].warn: found "< 0.6", beyond fail "< 0.65".'),
    (put("rules.2.warn", "> 0.7"), 'rules[2].warn: found "> 0.7" beside fail "< 0.65". Both must look the same way.'),
    (put("rules.0.fail", "about 3"), 'rules[0].fail: found "about 3". Allowed: a finite number t, meaning "> t"'),
    (put("rules.0.fail", True), "rules[0].fail: found"),
    (put("rules.0.min_count", 0), "rules[0].min_count: found the number 0. Allowed: an integer of rows, at least 1."),
    (put("rules.0.min_count", 2.5), "rules[0].min_count: found the number 2.5."),
    (put("rules.0.severity", "fatal"), 'rules[0].severity: unknown severity "fatal". Known: critical, high, low, medium.'),
    (put("rules.0.columns", []), "rules[0].columns: found an empty list."),
    (put("rules.0.columns", {"a": 1}), "rules[0].columns: found keys and values."),
    (put("rules.2.columns", ["origin"]), "rules[2].columns: found beside roc_auc_score, which belongs to no column."),
    (put("rules.1", "percent_null"), 'rules[1]: found "percent_null".'),
    (put("outputs.path", "out"), "outputs: found both `schema` and `path`."),
    (drop("outputs.mlflow.experiment"), "outputs.mlflow.experiment: this key is missing."),
]


@pytest.mark.parametrize(("change", "sentence"), COMPLAINTS)
def test_what_is_wrong_is_said_with_its_place_and_the_next_step(complaint: Complaint, change: Change, sentence: str) -> None:
    said = complaint(changed(change))
    assert f"fraud.yaml: {sentence}" in said
    assert all(line.startswith("fraud.yaml: ") and line.endswith((".", "?")) for line in said.splitlines())


def test_task_binary_needs_a_prediction_or_a_score(complaint: Complaint, load: Load) -> None:
    def neither(content: Any) -> None:
        del content["predictions"]["prediction"], content["predictions"]["score"]

    assert "predictions: found neither `prediction` nor `score`." in complaint(changed(neither))
    load(changed(drop("predictions.prediction")))
    load(changed(drop("predictions.score")))


def test_every_problem_is_told_at_once(complaint: Complaint) -> None:
    def spoil(content: Any) -> None:
        for place, value in [("windows.every", "1 wek"), ("rules.2.metric", "kss"), ("predictions.tme", "x"), ("monitor", "A")]:
            put(place, value)(content)

    said = complaint(changed(spoil)).splitlines()
    assert [line.split(": ")[1] for line in said] == ["monitor", "predictions", "windows.every", "rules[2].metric"]


BROKEN_FILES = {
    "": "the file is empty",
    "# only a comment\n": "the file is empty",
    "- a\n- b\n": "found a list of 2 at the top",
    "just text": 'found "just text" at the top',
    "a: [1\nb: 2": "not valid YAML at line 2",
    "a: 1\n---\nb: 2": "not valid YAML at line 2, column 1: but found another document. Write one monitor a file",
    "a: !!python/object/apply:os.system [ls]": "not valid YAML at line 1",
    "a: 2024-13-45": 'line 1, column 4: "2024-13-45" cannot be read as timestamp',
    "a: !!bool abc": 'line 1, column 4: "abc" cannot be read as bool',
    "a: !!int ''": 'line 1, column 4: "" cannot be read as int',
    "a: !!timestamp abc": '"abc" cannot be read as timestamp',
    "a: !!float 1" + ":00" * 200 + ".0": "cannot be read as float",
    "a:\n\tb: 1": "line 2, column 1: found character '\\t' that cannot start any token. Indent with spaces",
    "a: @x": "line 1, column 4: found character '@' that cannot start any token. Correct that line; a string with : # {",
    "a: *x": "line 1, column 4: found undefined alias 'x'. Put a string that begins with * in quotes.",
    "a: {b: *, c: 1}": "Put a string that begins with * in quotes.",
    "a: 1\nb: \x07": "not valid YAML at line 2: found the control character U+0007. Remove it.",
    "monitor: a\nmodel: {name: x, name: y}": 'line 2, column 18: the key "name" is written twice',
    "monitor: a\nmonitor: b": 'the key "monitor" is written twice. Keep one of them.',
    "1: x": "found a key that is no string",
    "[" * 5000: "not valid YAML",
}


@pytest.mark.parametrize(("text", "sentence"), BROKEN_FILES.items())
def test_a_broken_file_is_a_configuration_error(complaint: Complaint, text: str, sentence: str) -> None:
    said = complaint(text)
    assert sentence in said
    assert said.startswith("fraud.yaml: ")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((text, text) for text in ("NO", "no", "Yes", "on", "OFF", "y", "n")),
        *((text, text) for text in ("0123", "-007", "00", "12:30", "1:30:00", "0x1F", "0b11", "1_000", "1.2.3", "1e", "e5")),
        *(
            ("true", True),
            ("True", True),
            ("FALSE", False),
            ("0", 0),
            ("-7", -7),
            ("+7", 7),
            ("12345678901234567890", 12345678901234567890),
        ),
        *(
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("-0.25", -0.25),
            ("1e3", 1000.0),
            ("1.5E-3", 0.0015),
            ("'1'", "1"),
            ('"true"', "true"),
        ),
    ],
)
def test_values_without_quotes_are_what_yaml_1_2_reads(load: Load, written: str, value: object) -> None:
    text = f"{DESIGN}quality: {{allowed: {{origin: [{written}]}}, sentinels: [{written}]}}\n"
    quality = load(f"{text}fairness: {{groups: [origin], reference: {{origin: {written}}}}}\n").quality
    assert [*map(repr, quality.allowed["origin"])] == [*map(repr, quality.sentinels)] == [repr(value)]


def test_yes_and_no_in_the_place_of_true_and_false_are_refused_and_names_like_them_are_kept(
    complaint: Complaint, load: Load
) -> None:
    assert 'baseline.labels: found "yes". Allowed: true or false' in complaint(DESIGN.replace("labels: true", "labels: yes"))
    config = load(DESIGN.replace("[origin, carrier, ", "[on, carrier, ").replace("[origin, carrier]", "[on, carrier]"))
    assert config.slices[0] == "on"
    assert load(f"{DESIGN}quality: {{formats: {{no: integer}}}}\n").quality.formats == {"no": "integer"}


def test_a_merge_key_is_no_duplicate(load: Load) -> None:
    anchored = DESIGN.replace("- {metric: ks, columns", "- &first {metric: ks, columns")
    text = anchored.replace("- {metric: percent_null,", "- {<<: *first, metric: percent_null, warn: 1,")
    rule = load(text).rules[1]
    assert (rule.metric, rule.min_count, rule.fail) == ("percent_null", 500, Threshold(">", 5.0))


def test_a_file_that_expands_without_end_is_described_and_not_printed(complaint: Complaint) -> None:
    levels = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert len(complaint("\n".join([*levels, "monitor: *a59"]))) < 20_000
    assert "monitor: found a list of 1" in complaint("monitor: &self [*self]")


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    binary = tmp_path / "latin.yaml"
    binary.write_bytes(b"monitor: \xff\xfe")
    for path, sentence in [(tmp_path / "none.yaml", "no such file"), (tmp_path, "is a directory"), (binary, "cannot be read")]:
        with pytest.raises(ConfigError, match=sentence):
            load_config(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_text(DESIGN.lstrip(), encoding="utf-8-sig")
    assert load_config(str(file)).monitor == "flights_delay"


def test_a_configuration_cannot_be_changed(load: Load) -> None:
    config = load(DESIGN)
    with pytest.raises(ValidationError, match="frozen"):
        config.predictions.time = "other"  # type: ignore[misc]


SECRETS = [
    ("postgresql://ann:s3cret@db.example:5432/mlflow", "postgresql://***@db.example:5432/mlflow"),
    ("https://s3cret@host/api", "https://***@host/api"),
    ("postgresql://db/mlflow?user=ann&password=s3cret", "postgresql://db/mlflow?user=ann&password=***"),
    ("mysql+pymysql://ann:p@ss:s3cret@db/mlflow", "mysql+pymysql://***@db/mlflow"),
]


@pytest.mark.parametrize(("address", "public"), SECRETS)
def test_a_password_is_shown_nowhere(load: Load, address: str, public: str) -> None:
    config = load(changed(put("outputs.mlflow.tracking_uri", address)))
    assert config.outputs.mlflow is not None
    assert config.outputs.mlflow.tracking_uri == address
    assert config.public_dict()["outputs"]["mlflow"]["tracking_uri"] == public
    for shown in (repr(config), str(config), repr(config.outputs.mlflow), f"{config.outputs}", json.dumps(config.public_dict())):
        assert "s3cret" not in shown


def test_an_unknown_metric_is_answered_with_the_nearest_names(complaint: Complaint) -> None:
    answer = complaint(changed(put("rules.2.metric", "kss")))
    assert answer.startswith('fraud.yaml: rules[2].metric: unknown metric "kss". Known: ')
    assert answer.endswith('others. Did you mean "ks"?')
    assert complaint(changed(put("rules.2.metric", "auc"))).endswith('Did you mean "roc_auc_score"?')


def test_a_number_for_a_metric_whose_small_values_are_bad_is_asked_for_its_side(complaint: Complaint) -> None:
    backwards = {"metric": "roc_auc_score", "fail": 0.9}
    assert complaint(changed(put("rules.2", backwards))).endswith(
        'of roc_auc_score, small values are the bad ones. Write "< 0.9".'
    )


def test_a_password_is_not_in_complaints_either(complaint: Complaint) -> None:
    address = "postgresql://ann:s3cret@db/mlflow"
    places = ["outputs.mlflow.trackin_uri", "monitor", "model.task", "windows.zone", "rules.0.metric", "rules.0.fail"]
    for place in places:
        assert "s3cret" not in complaint(changed(put(place, address)))


def test_the_public_dict_reads_as_the_same_configuration(load: Load, tmp_path: Path) -> None:
    config = load(DESIGN)
    public = config.public_dict()
    assert MonitorConfig.model_validate(public) == config
    assert load(yaml.safe_dump(public)) == config
    assert public["rules"][2]["fail"] == "< 0.65"


def test_the_hash_is_sha256_of_the_canonical_json_and_follows_meaning_alone(load: Load) -> None:
    config = load(DESIGN)
    told = {name: value for name, value in config.public_dict().items() if name != "task_memory"}
    told["outputs"] = {name: value for name, value in told["outputs"].items() if name != "keep"}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert config.config_hash() == hashlib.sha256(canonical.encode()).hexdigest()
    reordered = yaml.safe_dump(yaml.safe_load(DESIGN), sort_keys=True)
    assert load(reordered).config_hash() == config.config_hash()
    assert load(changed(put("predictions.threshold", 0.4))).config_hash() != config.config_hash()
    assert load(changed(put("max_slice_values", 50))).config_hash() != config.config_hash()
    assert load(changed(put("task_memory", "1 GiB"))).config_hash() == config.config_hash()
    assert load(changed(put("outputs.keep", {"states": "1 year"}))).config_hash() == config.config_hash()
    uri = "outputs.mlflow.tracking_uri"
    passwords = {load(changed(put(uri, f"postgresql://a:{word}@db/m"))).config_hash() for word in ("one", "two")}
    assert len(passwords) == 1


@pytest.mark.parametrize(
    ("written", "operator", "value", "text"),
    [
        (5, ">", 5.0, "> 5"),
        (0.1, ">", 0.1, "> 0.1"),
        ("< 0.65", "<", 0.65, "< 0.65"),
        (" <=3 ", "<=", 3.0, "<= 3"),
        (">-1e-3", ">", -0.001, "> -0.001"),
        (">= 10", ">=", 10.0, ">= 10"),
        ("7", ">", 7.0, "> 7"),
    ],
)
def test_thresholds_are_read_and_written(written: object, operator: str, value: float, text: str) -> None:
    threshold = parse_threshold(written)
    assert (threshold.operator, threshold.value, threshold.text()) == (operator, value, text)
    assert parse_threshold(threshold.text()) == threshold


@pytest.mark.parametrize("written", [None, True, "", "<", "= 3", "=< 3", "< nan", float("inf"), float("nan"), "> 1 2", [1], {}])
def test_other_thresholds_are_refused(written: object) -> None:
    with pytest.raises(ConfigError, match="Allowed: a finite number"):
        parse_threshold(written)


def test_a_threshold_is_broken_on_its_side_only() -> None:
    limits = {text: parse_threshold(text) for text in ("> 2", ">= 2", "< 2", "<= 2")}
    broken = {text: [number for number in (1.0, 2.0, 3.0) if limit.is_broken_by(number)] for text, limit in limits.items()}
    assert broken == {"> 2": [3.0], ">= 2": [2.0, 3.0], "< 2": [1.0], "<= 2": [1.0, 2.0]}
    assert not parse_threshold(1).is_broken_by(float("nan"))
