"""Roles that a person gives to columns: `init --role ROLE=COLUMN`, and labels that no rule asks for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from spark_monitor.commands.first_file import FirstFile, first_file
from spark_monitor.commands.given_roles import answers_in, given_roles
from spark_monitor.commands.label_delays import Answered
from spark_monitor.commands.roles import Column, Roles, guess_roles
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.errors import ConfigError
from spark_monitor.preflight.rules import unjudged_findings

PARCELS = (
    Column("parcel", "text", count=9000),
    Column("quoted_at", "time"),
    Column("mdl", "text", count=2),
    Column("km", "real", count=5000),
    Column("minutes", "real", count=5000, values=tuple(float(number) for number in range(51))),
    Column("eta_minutes", "real", count=5000, values=tuple(float(number) for number in range(51))),
    Column("arrived_at", "time"),
)


def guessed(*given: str, columns: tuple[Column, ...] = PARCELS) -> Roles:
    roles = guess_roles(columns, None, given_roles(given))
    assert roles is not None
    return roles


def text_of(roles: Roles) -> str:
    return first_file(
        FirstFile(
            title="parcels",
            file="p.yaml",
            monitor="parcels",
            source=(("table", "demo.parcels"),),
            roles=roles,
            every="1 day",
            baseline="quoted_at < DATE '2024-01-01'",
            outputs=("schema", "monitoring"),
            answered=Answered(error=9.0),
        )
    )


def test_names_that_tell_nothing_leave_the_model_out_and_roles_that_are_given_bring_it_in() -> None:
    assert (guessed().task, guessed().label) == ("none", None)
    roles = guessed("prediction=eta_minutes", "label=minutes", "label_time=arrived_at", "model_version=mdl")
    assert (roles.task, roles.prediction, roles.label) == ("regression", "eta_minutes", "minutes")
    assert (roles.label_time, roles.model_version, roles.time, roles.times) == ("arrived_at", "mdl", "quoted_at", ())
    config = MonitorConfig.model_validate(yaml.safe_load(text_of(roles)))
    assert {"root_mean_squared_error", "label_coverage"} <= {rule.metric for rule in config.rules}
    assert config.labels is not None
    assert config.labels.label == "minutes"


def test_what_a_person_gave_is_not_marked_as_a_guess() -> None:
    lines = {
        line.split(":")[0].strip(): line for line in text_of(guessed("prediction=eta_minutes", "label=minutes")).splitlines()
    }
    assert ["GUESS" in lines[key] for key in ("prediction", "label", "task")] == [False, False, True]


def test_several_columns_are_an_id_together() -> None:
    assert guessed("id=parcel", "id=mdl").id == ("parcel", "mdl")
    assert guessed("id=parcel").id == "parcel"


def test_a_label_that_differs_from_the_score_by_the_letter_p_is_one() -> None:
    columns = (
        *(Column("subscriber", "text", count=9000), Column("scored", "time"), Column("p_churn", "real", within_unit=True)),
        *(Column("pred_churn", "whole", values=(0, 1), count=2), Column("churned", "whole", values=(0, 1), count=2)),
    )
    assert guessed(columns=columns).label == "churned"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["labl=y"], "found no ROLE=COLUMN"),
        (["label"], "found no ROLE=COLUMN"),
        (["label=a", "label=b"], "label is a already"),
        (["label=a", "prediction=a"], "it is label already"),
    ],
)
def test_roles_that_mean_nothing_are_refused(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        given_roles(texts)


def test_a_column_that_the_table_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match="no such column"):
        answers_in({"label": ("c",)}, ["a", "b"])


def monitor(rules: list[dict[str, Any]], **changes: Any) -> MonitorConfig:
    content = {
        "monitor": "m",
        "model": {"name": "m", "task": "binary"},
        "predictions": {"table": "t", "id": "id", "time": "at", "prediction": "p", "positive": 1},
        "labels": {"table": "t", "id": "id", "label": "y", "time": "at", "horizon": "2 days"},
        "rules": rules,
        "outputs": {"path": "out"},
    }
    return MonitorConfig.model_validate({**content, **changes})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (monitor([{"metric": "ks", "fail": 0.1}]), ["accuracy_score"]),
        (monitor([{"metric": "ks", "fail": 0.1}], baseline={"table": "t", "labels": True}), ["accuracy_score"]),
        (monitor([{"metric": "ks", "fail": 0.1}, {"metric": "f1_score", "fail": "< 0.5"}]), []),
        (monitor([]), []),
        (monitor([{"metric": "ks", "fail": 0.1}], labels=None), []),
    ],
)
def test_labels_that_no_rule_asks_for_are_said_with_a_rule_to_add(config: MonitorConfig, said: list[str]) -> None:
    findings = [str(finding) for finding in unjudged_findings(config)]
    assert len(findings) == len(said)
    for finding, metric in zip(findings, said, strict=True):
        assert f"metric: {metric}" in finding
        start = finding.index("{metric")
        rule = yaml.safe_load(finding[start : finding.index(", or let")])
        assert MonitorConfig.model_validate({**config.model_dump(by_alias=True, exclude_unset=True), "rules": [rule]}).rules
