"""What a file may say and nothing would ever come of is refused, or told by `check`, and never taken in silence."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
import yaml

from spark_monitor.api.monitor import Monitor
from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.diagnosis.findings import KINDS
from spark_monitor.errors import ConfigError
from spark_monitor.outputs.alerts.channels import PLUGINS, kind_findings
from spark_monitor.preflight.datasets import budget_findings
from spark_monitor.preflight.people import people_findings

CHANNELS = {"oncall": {"url_env": "ONCALL"}}
NAN = float("nan")
POST = {"webhook": {"url_env": "RETRAIN"}}
LONG: dict[str, Any] = {
    "table": "t",
    "format": "long",
    "time": "at",
    "metric": "m",
    "value": "v",
    "names": {"x_seconds_bucket": "latency_seconds"},
}
LEFT = "found beside `kind`. It is about a metric's verdicts"


def loaded(directory: Path, **sections: Any) -> MonitorConfig:
    content = {
        "monitor": "fraud",
        "model": {"name": "fraud", "task": "none"},
        "predictions": {"table": "t", "id": "id", "time": "at"},
        "outputs": {"path": "out"},
        **sections,
    }
    file = directory / "fraud.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_config(file)


def actions(when: Mapping[str, Any], do: Mapping[str, Any] = POST) -> dict[str, Any]:
    return {"people": {"actions": [{"when": when, "do": do}]}}


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        (
            {"baselines": [{"name": "last", "kind": "seasonal", "lag": ["7 days", "0 days"]}]},
            "baselines[0].lag: found 0: each window would be compared with itself.",
        ),
        (
            {"baselines": [{"name": "consecutive", "kind": "rolling", "windows": 3}]},
            'baselines: found the name "consecutive" more than once; rules call',
        ),
        (
            {"costs": {"table": "c", "format": "focus", "rate_per_hour": float("nan")}},
            "costs.rate_per_hour: found the number nan.",
        ),
        ({"costs": {"table": "c", "format": "focus", "rate_per_hour": -1}}, "costs.rate_per_hour: found the number -1."),
        ({"pipelines": {"mlflow_model": True, "alias": "v3"}}, 'pipelines.alias: found "v3". Allowed: letters, digits'),
        ({"pipelines": {"mlflow_model": True, "alias": ["champion", "a b"]}}, 'pipelines.alias: found "a b". Allowed: letters'),
        ({"operations": LONG}, "operations.labels: this key is missing. x_seconds_bucket is a histogram"),
        (
            {"operations": {**LONG, "labels": "l", "names": {**LONG["names"], "lat": "latency_ms"}}},
            "operations.names: found lat beside x_seconds_bucket, both of them latencies. Name one of them.",
        ),
        ({"pipelines": {"alias": "champion"}}, "pipelines.alias: found without `mlflow_model: true`, which looks the alias up."),
        ({"quality": {"ranges": {"age": [0, NAN]}}}, "quality.ranges.age: found the number nan."),
        ({"quality": {"allowed": {"country": []}}}, "quality.allowed.country: found an empty list: no value would be allowed."),
        (
            {"people": {"channels": CHANNELS, "routes": [{"kind": ["unit_chnge"], "to": "oncall"}]}},
            'people.routes[0].kind[0]: unknown kind of incident "unit_chnge". Known: ',
        ),
        (actions({"kind": "dirft"}), 'people.actions[0].when.kind: unknown kind of incident "dirft". Known: '),
        (actions({}), "people.actions[0].when: found neither `metric` nor `kind`."),
        (actions({"metric": "ks", "kind": "drift"}), "people.actions[0].when: found both `metric` and `kind`."),
        (actions({"kind": "drift", "for": "2 of 2"}), f"people.actions[0].when.for: {LEFT}"),
        (actions({"kind": "drift", "verdict": "WARN"}), f"people.actions[0].when.verdict: {LEFT}"),
        (actions({"kind": "drift"}, {"mlflow_tag": {}}), "people.actions[0].do.mlflow_tag: found no tags."),
        (
            actions({"kind": "drift"}, {"webhook": {"url_env": "https://u:hunter2@h"}}),
            "people.actions[0].do.webhook.url_env: found no name of an environment variable.",
        ),
    ],
)
def test_a_value_that_would_have_no_effect_is_refused(tmp_path: Path, sections: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, **sections)
    assert f"fraud.yaml: {sentence}" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_incident_may_be_routed_and_acted_upon(tmp_path: Path, kind: str) -> None:
    people = {"channels": CHANNELS, "routes": [{"kind": kind, "to": "oncall"}], "actions": [{"when": {"kind": kind}, "do": POST}]}

    config = loaded(tmp_path, people=people)

    assert config.people.routes[0].kind == (kind,)
    assert config.people.actions[0].when.kind == kind


def told(config: MonitorConfig) -> dict[str, str]:
    return {finding.where: finding.sentence for finding in people_findings(config, {"ONCALL": "json://h", "RETRAIN": "http://h"})}


def test_check_tells_of_people_whom_nothing_would_reach(tmp_path: Path) -> None:
    people = {
        "channels": CHANNELS,
        "routes": [{"owner": "risk", "to": "oncall"}, {"role": "executive", "to": "oncall"}],
        "digest": {"every": "1 week"},
        "actions": [{"when": {"metric": "roc_auc_score"}, "do": POST}],
    }

    said = told(loaded(tmp_path, people=people, alerts={"budget": "5 per week"}))

    assert said["people.routes[0].owner"].startswith('found "risk", whom neither people.owners nor a rule names')
    assert said["people.routes[1].role"].startswith('found "executive", which no owner has')
    assert said["people.digest.to"].startswith("found no receiver")
    assert said["alerts.budget"].startswith("what does not fit is in the digest alone")
    assert said["people.actions[0].when.metric"].startswith("no rule is about roc_auc_score")


def test_check_tells_of_verdicts_and_severities_that_no_rule_gives(tmp_path: Path) -> None:
    rules = [{"metric": "ks", "warn": 0.1, "severity": "high"}, {"metric": "percent_null", "fail": 5}]
    routes = [{"severity": severity, "to": "oncall"} for severity in ("critical", ["critical", "high"], "medium")]
    when = [{"metric": "ks"}, {"metric": "ks", "verdict": "WARN"}, {"metric": "percent_null"}]
    people = {"channels": CHANNELS, "routes": routes, "actions": [{"when": one, "do": POST} for one in when]}

    said = told(loaded(tmp_path, people=people, rules=rules))

    assert list(said) == ["people.routes[0].severity", "people.actions[0].when.verdict"]
    assert "Rules are medium, high; give one `severity: critical`, or name theirs." in said["people.routes[0].severity"]
    assert said["people.actions[0].when.verdict"].endswith("Give one, or write verdict: WARN.")
    assert told(loaded(tmp_path, people={"channels": CHANNELS, "routes": routes})) == {}


def test_check_tells_of_actions_that_cannot_be_taken_and_of_links_that_will_not_open(tmp_path: Path) -> None:
    when = {"kind": "drift"}
    done = [{"webhook": {"url_env": "NOWHERE"}}, {"mlflow_alias": "broken"}, {"mlflow_tag": {"a": "b"}}, POST]
    links = {"report_url": "https://files.example/r.html?sig=hunter2hunter2", "mlflow_url": "https://mlflow.example/#/models"}
    people = {"actions": [{"when": when, "do": do} for do in done], **links}

    said = told(loaded(tmp_path, people=people))

    assert list(said) == [
        *("people.actions[0].do.webhook.url_env", "people.actions[1].do.mlflow_alias", "people.actions[2].do.mlflow_tag"),
        "people.report_url",
    ]
    assert said["people.actions[0].do.webhook.url_env"].startswith("NOWHERE is not set here.")
    assert "hunter2" not in str(said)
    mlflow = {"path": "out", "mlflow": {"tracking_uri": "sqlite:///m.db", "experiment": "e"}}
    assert "people.actions[1].do.mlflow_alias" not in told(loaded(tmp_path, people=people, outputs=mlflow))


def test_check_has_nothing_to_tell_where_everybody_is_reached(tmp_path: Path) -> None:
    people = {
        "owners": {"risk": {"role": "executive", "channel": "oncall"}},
        "channels": CHANNELS,
        "routes": [{"owner": "risk", "to": "oncall"}, {"owner": "feed", "to": "oncall"}, {"role": "executive", "to": "oncall"}],
        "digest": {"every": "1 week", "to": ["oncall"]},
        "actions": [{"when": {"metric": "psi"}, "do": POST}],
    }
    rules = [{"metric": "population_stability_index", "fail": 0.2, "owner": "feed"}]

    assert told(loaded(tmp_path, people=people, rules=rules, alerts={"budget": "5 per week"})) == {}


@pytest.mark.parametrize(
    ("more", "is_told"), [({}, True), ({"currency": "'EUR'"}, False), ({"format": "focus", "time": None, "cost": None}, False)]
)
def test_a_budget_that_no_row_can_be_held_against_is_told(tmp_path: Path, more: Mapping[str, Any], is_told: bool) -> None:
    costs = {"table": "bill", "time": "day", "cost": "amount", "budget": {"amount": 500, "currency": "EUR"}, **more}
    config = loaded(tmp_path, costs={key: value for key, value in costs.items() if value is not None})
    assert config.costs is not None
    found = {finding.where: finding.sentence for finding in budget_findings(config.costs)}
    assert list(found) == (["costs.currency"] if is_told else [])
    assert all("\"'EUR'\"" in sentence for sentence in found.values())


def test_check_tells_of_a_kind_of_channel_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = {name: {"url_env": "ONCALL", "kind": name} for name in ("apprise", "sns", "aprise", "pager")}
    people = loaded(tmp_path, people={"channels": channels}).people

    said = {finding.where: finding for finding in kind_findings(people)}

    assert list(said) == ["people.channels.aprise.kind", "people.channels.pager.kind"]
    assert said["people.channels.aprise.kind"].sentence.endswith('Known: apprise, sns. Did you mean "apprise"?')
    assert "Name one of them, or install the package" in said["people.channels.pager.kind"].sentence
    assert {finding.level for finding in said.values()} == {"warning"}

    plugged = EntryPoints([EntryPoint("pager", "a_package_that_is_not_loaded:Pager", PLUGINS)])
    monkeypatch.setattr("spark_monitor.outputs.alerts.channels.entry_points", lambda group: plugged)

    assert [finding.where for finding in kind_findings(people)] == ["people.channels.aprise.kind"]


def test_the_monitor_itself_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = loaded(tmp_path, people={"channels": {"oncall": {"url_env": "ONCALL", "kind": "pager"}}})
    monkeypatch.setattr("spark_monitor.api.monitor.check", lambda config, spark: [])

    assert [finding.where for finding in Monitor(config).check(None)] == ["people.channels.oncall.kind"]  # type: ignore[arg-type]
