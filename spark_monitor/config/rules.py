"""What may not happen: the section `rules`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from spark_monitor.config.file import problems
from spark_monitor.config.limits import AnyLimit, Learned, Moving, Relative, RuleLimit, order_problem, parse_limit
from spark_monitor.config.people import Times
from spark_monitor.config.thresholds import Threshold
from spark_monitor.config.types import (
    Columns,
    MetricName,
    RuleColumns,
    Section,
    Slice,
    SliceText,
    Text,
    WholeNumber,
    quoted,
)
from spark_monitor.config.vocabulary import KNOWN_METRICS, canonical_metric, worse_values
from spark_monitor.errors import unknown
from spark_monitor.text.quoting import slice_key

BASELINE, CONSECUTIVE = "baseline", "consecutive"
"""What a rule calls the frozen baseline and the window before, beside the names under `baselines`."""

OF_NO_COLUMN = ("model", "custom")
_LIMIT = 'a number t, meaning "> t", a string such as "< 0.65", or a limit that moves, such as {learned: 0.999, at_least: 0.03}'


def _all_none_or_listed(value: Any) -> Any:
    return [value] if isinstance(value, str) and value not in ("all", "none") else value


def _one_or_many(value: Any) -> str:
    return "<one>" if isinstance(value, str) else "<many>"


RuleSlices = Annotated[
    Annotated[Literal["all", "none"], Tag("<one>")] | Annotated[tuple[SliceText, ...], Tag("<many>")],
    Discriminator(_one_or_many),
    BeforeValidator(_all_none_or_listed),
]


class RuleConfig(Section):
    """What may not happen, whom it concerns and what to do then."""

    metric: MetricName = Field(description="the name of a metric, such as ks, percent_null or roc_auc_score")
    columns: RuleColumns = Field(default="*", description='"*" or a list of column names')
    warn: RuleLimit | None = Field(default=None, description=_LIMIT)
    fail: RuleLimit | None = Field(default=None, description=_LIMIT)
    min_count: WholeNumber | None = Field(default=None, ge=1, description="an integer of rows, at least 1")
    slices: RuleSlices = Field(default="all", description="all, none or a list of slices, such as [origin]")
    versions: Columns = Field(default=(), description="the model versions it applies to, such as [v1, v2]; default: all")
    baseline: Text | None = Field(default=None, description="the reference: a name under `baselines`, or consecutive")
    class_: Text | None = Field(default=None, alias="class", description="the class it applies to; default: every class")
    for_: Times | None = Field(default=None, alias="for", description="m of the last n windows, such as 2 of 3")
    severity: Literal["low", "medium", "high", "critical"] = Field(default="medium", description="low, medium, high or critical")
    owner: Text | None = Field(default=None, description="who is notified, as a string")
    runbook: Text | None = Field(default=None, description="what to do, as an address or a path")

    @property
    def family(self) -> str:
        """What the metric belongs to: profile, drift, model, quality, ...; custom where the file defines it."""
        return KNOWN_METRICS.get(self.metric, "custom")

    @property
    def limits(self) -> tuple[AnyLimit, ...]:
        """The limits that it has, warn before fail."""
        return tuple(limit for limit in (self.warn, self.fail) if limit is not None)

    @property
    def moves(self) -> bool:
        """Whether a limit moves with the data."""
        return any(isinstance(limit, Moving) for limit in self.limits)

    @property
    def side(self) -> str:
        """What its limits forbid: what is ``above`` or ``below`` a number of the file, or what ``moves``.

        >>> RuleConfig(metric="unit_factor", fail="< 0.4").side, RuleConfig(metric="count", fail={"history": 8, "sigma": 4}).side
        ('below', 'moves')
        """
        fixed = [limit.is_upper for limit in self.limits if isinstance(limit, Threshold)]
        return "moves" if self.moves or not fixed else "above" if fixed[-1] else "below"

    @property
    def times(self) -> tuple[int, int]:
        """``for`` as (m, n): FAIL needs m of the last n windows.

        >>> RuleConfig.model_validate({"metric": "ks", "fail": 0.1, "for": "2 of 3"}).times
        (2, 3)
        """
        needed, _, of = (self.for_ or "1 of 1").partition(" of ")
        return int(needed), int(of)

    @model_validator(mode="before")
    @classmethod
    def _the_bad_side_is_meant(cls, given: Any) -> Any:
        if not isinstance(given, dict) or worse_values(canonical_metric(str(given.get("metric")))) != "lower":
            return given
        bare = [name for name in ("warn", "fail") if _is_bare(given.get(name))]
        if bare:
            raise _other_side(bare, given)
        return given

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if not self.limits:
            raise problems(("", f"found neither `warn` nor `fail`. Give at least one: {_LIMIT}."))
        problem = order_problem(self.warn, self.fail) if self.warn is not None and self.fail is not None else None
        if problem is not None:
            raise problems(("warn", problem))
        return self

    @model_validator(mode="after")
    def _columns_fit_the_metric(self) -> Self:
        if self.family in OF_NO_COLUMN and self.columns != "*":
            raise problems(("columns", f"found beside {self.metric}, which belongs to no column. Remove `columns`."))
        if self.columns == ():
            raise problems(("columns", 'found an empty list. Allowed: "*" or a list of column names.'))
        if self.slices == ():
            raise problems(("slices", "found an empty list. Allowed: all, none or a list of slices."))
        return self

    @model_validator(mode="after")
    def _scope_fits_the_metric(self) -> Self:
        family = self.family
        if self.baseline is not None and family in ("profile", "model", "system", "pipeline", "cost"):
            raise problems(("baseline", f"found beside {self.metric}, which is compared with no baseline. Remove `baseline`."))
        for name, limit in (("warn", self.warn), ("fail", self.fail)):
            if isinstance(limit, Learned) and family not in ("drift", "profile"):
                learned = "Limits are learned for metrics of columns, whose windows the baseline has"
                raise problems((name, f"found learned beside {self.metric}. {learned}. Use {{history: 8, sigma: 4}} instead."))
            if isinstance(limit, Relative) and family != "model":
                misfit = f"found {limit.side}_baseline beside {self.metric}. It is for metrics of the model"
                raise problems((name, f"{misfit}. Use learned or history instead."))
            if isinstance(limit, Relative) and (better := _better_side(limit, self.metric)) is not None:
                raise problems((name, better))
        return self


def _better_side(limit: Relative, metric: str) -> str | None:
    """A sentence where a limit about the baseline would forbid the values that are better than the baseline's.

    >>> _better_side(Relative("below", 0.05), "log_loss")
    'found below_baseline beside log_loss, of which large values are the bad ones. Write {above_baseline: 0.05}.'
    """
    worse = worse_values(metric)
    if worse == "both" or (limit.side == "below") == (worse == "lower"):
        return None
    size, side = ("large", "above") if worse == "higher" else ("small", "below")
    finding = f"found {limit.side}_baseline beside {metric}, of which {size} values are the bad ones"
    return f"{finding}. Write {{{side}_baseline: {limit.by:.15g}}}."


def _is_bare(limit: Any) -> bool:
    """Whether a limit is written as a number alone, whose side is then taken to be >."""
    if isinstance(limit, bool) or not isinstance(limit, int | float | str):
        return False
    try:
        return not isinstance(limit, str) or isinstance(float(limit), float)
    except ValueError:
        return False


def _other_side(bare: Sequence[str], given: dict[str, Any]) -> PydanticCustomError:
    metric = canonical_metric(str(given["metric"]))
    pairs = []
    for name in bare:
        means = f'found the number {given[name]}, which would mean "> {given[name]}"; of {metric}, small values are the bad ones'
        pairs.append((name, f'{means}. Write "< {given[name]}".'))
    return problems(*pairs)


def scope_problems(rules: Sequence[RuleConfig], slices: Iterable[Slice], baselines: Iterable[str]) -> list[tuple[str, str]]:
    """Rules about slices and baselines that the file does not have, as pairs of place and sentence."""
    keys, names = {slice_key(one) for one in slices}, [BASELINE, CONSECUTIVE, *baselines]
    pairs = []
    for position, rule in enumerate(rules):
        strangers = [key for key in map(slice_key, rule.slices) if key not in keys] if isinstance(rule.slices, tuple) else []
        if strangers:
            slice_keys = quoted(sorted(keys)) or "none; add `slices`"
            pairs.append((f"rules[{position}].slices", f"found {quoted(strangers)}. Slices of this monitor: {slice_keys}."))
        if rule.baseline is not None and rule.baseline not in names:
            place = f"rules[{position}].baseline"
            pairs.append((place, unknown(place, "baseline", rule.baseline, names).partition(": ")[2]))
    return pairs


__all__ = ["RuleConfig", "Threshold", "parse_limit", "scope_problems"]
