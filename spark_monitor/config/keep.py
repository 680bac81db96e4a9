"""How long results are kept: the section `outputs.keep`. Nothing is deleted without it, and only by `spark-monitor prune`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from spark_monitor.config.file import describe, problems
from spark_monitor.config.limits import History
from spark_monitor.config.references import ReferenceConfig
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.types import Section, Text
from spark_monitor.config.windows import WindowsConfig
from spark_monitor.errors import ConfigError
from spark_monitor.windowing.periods import parse_duration

_YEARS = re.compile(r"\s*(\d{1,2})\s+years?\s*")
DAYS_OF_YEAR = 366
SAME_WEEKDAY = 7


def parse_keep(text: str) -> timedelta:
    """A length of time that may also be given in years, of which none is shorter than a year.

    >>> parse_keep("90 days").days, parse_keep("2 years").days
    (90, 732)
    """
    years = _YEARS.fullmatch(text)
    length = timedelta(days=int(years[1]) * DAYS_OF_YEAR) if years else parse_duration(text)
    if not length:
        raise ConfigError(f"found {describe(text)}. Allowed: more than nothing, such as 90 days or 2 years.")
    return length


def _kept(text: str) -> str:
    try:
        parse_keep(text)
    except ConfigError as error:
        raise problems(("", str(error))) from None
    return text.strip()


Keeping = Annotated[Text, AfterValidator(_kept)]


class KeepConfig(Section):
    """How long states and metrics stay after their window's end; what is not named stays for ever."""

    states: Keeping | None = Field(default=None, description="how long states are kept, such as 90 days")
    metrics: Keeping | None = Field(default=None, description="how long metrics and checks are kept, such as 2 years")

    @property
    def states_for(self) -> timedelta | None:
        """``states``, read."""
        return None if self.states is None else parse_keep(self.states)

    @property
    def metrics_for(self) -> timedelta | None:
        """``metrics``, read."""
        return None if self.metrics is None else parse_keep(self.metrics)


def needed_states(windows: WindowsConfig, references: Iterable[ReferenceConfig], horizon: timedelta) -> timedelta:
    """How far back a run looks for states: late rows and labels, the parts of coarse windows, the windows of references."""
    window = timedelta(hours=windows.granularity.nominal_hours)
    longest = max([window, *(timedelta(hours=one.nominal_hours) for one in windows.coarser)])
    back = [window]
    for reference in references:
        back += [parse_duration(lag) + longest for lag in reference.lag]
        back += [longest * (reference.windows or 0)]
    return windows.lookback_duration + horizon + 2 * longest + max(back)


def needed_metrics(windows: WindowsConfig, rules: Iterable[RuleConfig], states: timedelta) -> timedelta:
    """How far back a run looks for metrics: as far as for states, and as the windows of moving limits go."""
    longest = max(timedelta(hours=one.nominal_hours) for one in (windows.granularity, *windows.coarser))
    weekly = longest if longest >= timedelta(days=7) else timedelta(days=SAME_WEEKDAY)
    asked = [limit.windows for rule in rules for limit in rule.limits if isinstance(limit, History)]
    return states + weekly * max(asked, default=0)
