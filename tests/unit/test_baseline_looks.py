"""Rules that `init` makes of what a baseline's rows say: lengths of strings, predicted classes, copies, the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from spark_monitor.commands.baseline_looks import BaselineLooks
from spark_monitor.commands.first_file import FirstFile, first_file
from spark_monitor.commands.roles import Roles
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.thresholds import Threshold
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.texts import cut

ROLES = Roles("binary", "at", "id", prediction="flag", score="p")


def loaded(looks: BaselineLooks) -> MonitorConfig:
    file = FirstFile(
        title="t",
        file="t.yaml",
        monitor="t",
        source=(("table", "db.t"),),
        roles=ROLES,
        every="1 day",
        baseline="at < DATE '2024-01-01'",
        outputs=("schema", "monitoring"),
        baseline_rows=30_000,
        window_rows=1_000,
        looks=looks,
    )
    return MonitorConfig.model_validate(yaml.safe_load(first_file(file)))


def rule_of(config: MonitorConfig, metric: str) -> Any:
    (rule,) = [one for one in config.rules if one.metric == metric]
    return rule


def test_each_look_makes_its_rule() -> None:
    config = loaded(BaselineLooks(0.37, (0.8, 0.2), 0.01, {"note": 22}, 0.4))

    assert config.predictions.threshold == 0.37
    assert (rule_of(config, "max_length").columns, rule_of(config, "max_length").slices) == (("note",), "none")
    assert rule_of(config, "max_length").fail == Threshold("<", 22.0)
    assert rule_of(config, "prediction_shift").columns == ("flag",)
    assert rule_of(config, "prediction_shift").fail == Threshold(">", pytest.approx(0.25 * 0.2))
    assert rule_of(config, "percent_copied_rows").fail == Threshold(">", pytest.approx(1 + 2 * 0.4))


def test_without_looks_there_is_no_such_rule_and_the_threshold_is_one_half() -> None:
    config = loaded(BaselineLooks(copied=60.0))
    assert config.predictions.threshold == 0.5
    assert not {one.metric for one in config.rules} & {"max_length", "prediction_shift", "percent_copied_rows"}


def texts(length: int | None, *, values: int = 4_000) -> Look:
    random = np.random.default_rng(1)
    lengths = random.integers(10, 30, values) if length is None else np.full(values, length)
    items = {f"{place:030d}"[: lengths[place]]: 2 for place in range(20)}
    longest, mean = float(lengths.max()), float(lengths.mean())
    return Look(count=values, distinct=values // 2, longest=longest, mean_length=mean, items=items)


def test_strings_that_hardly_repeat_were_cut_where_all_are_shorter_than_the_mean_was() -> None:
    was = texts(None)

    found = cut(Evidence(texts(8), was))

    assert found is not None
    assert (found.kind, found.conclusion) == ("unseen_category", "they were cut")
    assert found.what == "strings are at most 8 characters long, up to 29 in the baseline"


def test_a_few_short_codes_in_place_of_strings_are_not_cut() -> None:
    codes = Look(count=4_000, distinct=6, longest=1.0, mean_length=1.0, items={str(place): 600 for place in range(6)})
    assert cut(Evidence(codes, texts(None))) is None
    assert cut(Evidence(texts(None), texts(None))) is None
