"""How time is cut: the section `windows`."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Self

from pydantic import Field, model_validator

from spark_monitor.config.file import problems
from spark_monitor.config.types import (
    Coarser,
    Duration,
    Every,
    Moment,
    Section,
    Zone,
    quoted,
    repeated_names,
)
from spark_monitor.windowing.periods import Granularity, parse_duration, parse_every, parse_timestamp, parse_zone


class WindowsConfig(Section):
    """How time is cut."""

    every: Every = Field(default="1 day", description="the windows' length, such as 1 hour, 1 day, 1 week or 1 month")
    zone: Zone = Field(default="UTC", description="the time zone whose midnights begin days, an IANA name such as Europe/Berlin")
    also: Coarser = Field(default=(), description="lengths of coarser windows, such as [1 month]")
    lookback: Duration = Field(default="30 days", description="how far back late rows are looked for, such as 30 days")

    min_time: Moment | None = Field(default=None, description="rows before this time make no windows, such as 2020-01-01")
    max_time: Moment | None = Field(default=None, description="rows from this time on make no windows, such as 2030-01-01")

    @property
    def granularity(self) -> Granularity:
        """``every``, read."""
        return parse_every(self.every)

    @property
    def coarser(self) -> tuple[Granularity, ...]:
        """``also``, read."""
        return tuple(parse_every(text) for text in self.also)

    @property
    def time_zone(self) -> tzinfo:
        """``zone``, read."""
        return parse_zone(self.zone)

    @property
    def lookback_duration(self) -> timedelta:
        """``lookback``, read."""
        return parse_duration(self.lookback)

    @model_validator(mode="after")
    def _also_is_coarser(self) -> Self:
        fine = [text for text in self.also if not parse_every(text).is_coarser_than(self.granularity)]
        if fine:
            raise problems(("also", f"found {quoted(fine)}. Allowed: windows longer than `every`, which is {self.every}."))
        if repeated_names(self.also):
            raise problems(("also", f"found {quoted(repeated_names(self.also))} more than once. Name each once."))
        return self

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        least, most = self.min_time, self.max_time
        if least is not None and most is not None and parse_timestamp(least) >= parse_timestamp(most):
            raise problems(("max_time", f"found {most}, not after `min_time`, which is {least}. Name a later time."))
        return self
