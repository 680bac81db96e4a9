"""What a baseline's labels tell: how often they are of each class, and how long they take to come. No Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NEARLY_ALL: Final = 0.999
"""The quantile of the labels' delays that a horizon has to hold."""

UNKNOWN: Final = "14 days"
HOURS: Final = (1, 2, 3, 6, 12, 24, 36)
DAYS: Final = (2, 3, 4, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365)
"""Horizons that are proposed: the first that is longer than nearly all delays."""


@dataclass(frozen=True)
class Answered:
    """The hours in which nearly all labels came, and the longest; the error of predicted numbers. None where not known."""

    delay: float | None = None
    longest: float | None = None
    error: float | None = None
    """Of predicted numbers, the root of the mean squared error."""

    classes: tuple[float, ...] = ()
    """The fractions of the labels that are of each class, of two classes the one that means yes first."""

    classes_moved: float = 0.0
    """How far the labels of a window of the baseline's surely are from all of them."""

    @property
    def horizon(self) -> tuple[str, str]:
        """How long labels may take, and what speaks for it.

        A shorter horizon than labels need calls windows FINAL that are not; a longer one puts off the word that labels lack.

        >>> Answered(delay=29.2, longest=40.0).horizon
        ('36 hours', "99.9 % of the baseline's came within 29.2 hours, the last after 40 hours")
        >>> Answered().horizon
        ('14 days', 'GUESS, as nothing tells when labels came')
        >>> Answered(delay=-3.0, longest=-1.0).horizon[1]
        "GUESS, as the baseline's are timed before their predictions: another column may say when they came"
        """
        if self.delay is None or self.longest is None:
            return UNKNOWN, "GUESS, as nothing tells when labels came"
        if self.longest < 0:
            return UNKNOWN, "GUESS, as the baseline's are timed before their predictions: another column may say when they came"
        shown = (
            f"{100 * NEARLY_ALL:g} % of the baseline's came within {spoken(self.delay)}, the last after {spoken(self.longest)}"
        )
        return rounded_up(self.delay), shown


def rounded_up(hours: float) -> str:
    """The first usual length of time that is not shorter.

    >>> rounded_up(0.02), rounded_up(24.0), rounded_up(240.0), rounded_up(9000.0)
    ('1 hour', '24 hours', '10 days', '730 days')
    """
    lengths = [(float(one), f"{one} hour{'s' * (one > 1)}") for one in HOURS] + [(24.0 * one, f"{one} days") for one in DAYS]
    years = -(-hours // (24 * DAYS[-1]))
    return next((text for length, text in lengths if hours <= length), f"{int(years) * DAYS[-1]} days")


def spoken(hours: float) -> str:
    """A delay as people say it.

    >>> spoken(-2.0), spoken(0.0167), spoken(1.0), spoken(29.26), spoken(240.0), spoken(48_000.0)
    ('0 hours', 'a minute', '1 hour', '29.3 hours', '10 days', '2,000 days')
    """
    if 0 < hours < 1:
        minutes = max(round(hours * 60), 1)
        return f"{minutes} minutes" if minutes > 1 else "a minute"
    number, unit = (max(hours, 0.0), "hour") if hours < 24 * DAYS[0] else (hours / 24, "day")
    shown = f"{number:.3g}" if number < 100 else f"{number:,.0f}"
    return f"{shown} {unit}" if shown == "1" else f"{shown} {unit}s"
