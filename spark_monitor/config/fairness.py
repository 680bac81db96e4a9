"""For whom a model may do worse: the section `fairness`, and the search for the worst slices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.types import Columns, OneValue, Section, Slice, Text, WholeNumber, quoted
from spark_monitor.text.quoting import slice_key


class FairnessConfig(Section):
    """The groups that are compared, with whom, and which answer is the favourable one."""

    groups: Columns = Field(description="slice keys whose values are groups, such as [origin]", min_length=1)
    reference: dict[Text, OneValue] = Field(
        default={}, description="{origin: EWR}: the reference group of each key; default: all other rows"
    )
    favourable: OneValue = Field(default=1, description="the favourable prediction")

    @model_validator(mode="after")
    def _references_are_groups(self) -> Self:
        strangers = [name for name in self.reference if name not in self.groups]
        if strangers:
            raise problems(("reference", f"found {quoted(strangers)}, not in `groups`. Name a key of `groups`."))
        return self


def group_problems(fairness: FairnessConfig, slices: Iterable[Slice], task: str) -> list[tuple[str, str]]:
    """Groups that are no slices, and a task without a favourable class, as pairs of place and sentence.

    >>> group_problems(FairnessConfig(groups=("origin",)), ("carrier",), "binary")
    [('fairness.groups', 'found "origin", which is no slice. Slices of this monitor: "carrier". Add it to `slices`.')]
    """
    keys = {slice_key(one) for one in slices}
    strangers = [name for name in fairness.groups if name not in keys]
    pairs = []
    if strangers:
        each, them = ("which is no slice", "it") if len(strangers) == 1 else ("which are no slices", "them")
        sliced = quoted(sorted(keys)) or "none"
        pairs.append(
            (
                "fairness.groups",
                f"found {quoted(strangers)}, {each}. Slices of this monitor: {sliced}. Add {them} to `slices`.",
            )
        )
    if task in ("regression", "none"):
        step = "Groups are compared by a favourable class: remove it, or set model.task to binary or multiclass"
        pairs.append(("fairness", f"found beside task {task}. {step}."))
    return pairs


class WorstSlicesConfig(Section):
    """How far the search for slices in which the model does worse goes."""

    depth: WholeNumber = Field(default=2, ge=1, le=3, description="how many columns are crossed at most, from 1 to 3")
    max: WholeNumber = Field(default=200, ge=1, le=10_000, description="how many slices are searched, the largest first")
