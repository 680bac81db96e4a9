"""Where several groups of rows do worse, an incident names each of them, not one alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spark_monitor.diagnosis.diagnose import incidents
from spark_monitor.diagnosis.groups import Failing, Group, Key, of_checks

DAY = 86_400_000_000
METRIC = "equal_opportunity_difference"
WINDOWS = {"1 day": [(day * DAY, (day + 1) * DAY) for day in range(12)]}


def window(day: int, values: dict[str, float], *, well: int = 0, family: str = "fairness", metric: str = METRIC) -> Group:
    failing = tuple(
        Failing(name, metric, family, slice_key="region", slice_value=name, value=value, expected=">= -0.1 and <= 0.1")
        for name, value in values.items()
    )
    key = Key("region", len(values), well)
    group = of_checks(failing[0], start=day * DAY, end=(day + 1) * DAY, keys=(key,), failing=failing, checks=len(failing))
    return replace(group, granularity="1 day", name=":table")


def told(*groups: Group) -> str:
    (one,) = incidents(groups, WINDOWS, {}, monitor_id="m")
    return f"{one.title} | {one.diagnosis}"


@pytest.mark.parametrize("well", [0, 1, 3])
def test_two_groups_that_fall_are_both_named(well: int) -> None:
    sentence = told(*(window(day, {"north": -0.31, "south": -0.22}, well=well) for day in (5, 6)))

    head, _, tail = sentence.partition(" | ")
    assert "region = north and region = south" in head
    assert "region = north" in tail
    assert "region = south" in tail


def test_a_group_that_only_looks_better_beside_the_fallen_ones_is_not_named() -> None:
    sentence = told(*(window(day, {"north": -0.31, "south": -0.28, "east": 0.14}) for day in (5, 6)))

    assert "region = south" in sentence
    assert "region = east" not in sentence


def test_a_group_that_fails_once_by_chance_is_not_named() -> None:
    sentence = told(window(5, {"north": -0.31}), *(window(day, {"north": -0.3}) for day in (6, 7)), window(8, {"west": -0.12}))

    assert "region = north" in sentence
    assert "region = west" not in sentence


def test_of_many_groups_the_farthest_are_named_and_the_others_are_counted() -> None:
    sentence = told(window(5, {f"r{place}": -0.4 + place / 50 for place in range(6)}, well=2))

    assert "region = r0 and region = r1 and region = r2 and 3 more" in sentence


def test_two_slices_in_which_a_model_falls_are_both_named() -> None:
    values = {"north": 0.61, "south": 0.55}
    sentence = told(*(window(day, values, well=2, family="model", metric="accuracy_score") for day in (5, 6)))

    assert "region = north" in sentence
    assert "region = south" in sentence
