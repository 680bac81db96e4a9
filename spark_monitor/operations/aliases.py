"""Which version an alias of the registry named in a window, by the times at which it was looked up: no history of it is kept."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.windowing.timestamps import timestamp_of

CUSTOMARY: Final = ("champion", "challenger")
"""The aliases that MLflow's own documentation gives to what serves, where the file names none."""
NOT_SET: Final = "not set"
"""What stands in the place of a version where the registry has no such alias."""


@dataclass(frozen=True)
class Sighting:
    """What the aliases named at a timestamp (microseconds): a version for each, ``NOT_SET`` where there was none."""

    at: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Named:
    """The versions that an alias was seen to name about a window, in order, and from where to where it was seen.

    ``since_start`` says whether it was seen at or before the window's first timestamp, ``until_end`` at or after its last.
    ``first_look`` is when it was looked up for the first time, where that was after the window's first timestamp.
    """

    alias: str
    versions: tuple[str, ...]
    since_start: bool
    until_end: bool
    first_look: int | None = None

    @property
    def steady(self) -> str | None:
        """The one version that it named all through the window; None where it moved, was not set or was not seen throughout."""
        whole = self.since_start and self.until_end and len(self.versions) == 1
        return self.versions[0] if whole and self.versions[0] != NOT_SET else None


def named_in(alias: str, sightings: Sequence[Sighting], start: int, end: int) -> Named:
    """What an alias named about a window ``[start, end)``: seen in it, last before it and first after it.

    The first look of all is taken to speak for the last window before it too, so that a monitor's first run says something.
    Of earlier ones nothing is known: what it names later may be new.

    >>> seen = [Sighting(at, {"champion": version}) for at, version in ((5, "3"), (15, "3"), (25, "4"), (35, "4"))]
    >>> [named_in("champion", seen, start, start + 10).versions for start in (-20, -10, 0, 10, 20, 30)]
    [(), ('3',), ('3',), ('3', '4'), ('3', '4'), ('4',)]
    >>> named_in("champion", seen, 26, 34).steady, named_in("champion", seen, 0, 10).steady
    ('4', None)
    """
    times = [one.at for one in sightings if alias in one.versions]
    each = [one.versions[alias] for one in sightings if alias in one.versions]
    first, after = bisect_right(times, start) - 1, bisect_left(times, end)
    if not after:
        is_last_before = bool(times) and times[0] < end + (end - start)
        about = tuple(each[:1]) if is_last_before else ()
        return Named(alias, about, since_start=False, until_end=bool(times), first_look=times[0] if about else None)
    about = tuple(dict.fromkeys(each[max(first, 0) : after + 1]))
    return Named(alias, about, first >= 0, after < len(times), first_look=times[0] if first < 0 else None)


@dataclass(frozen=True)
class Served:
    """Whether a version is the one that should serve: 1 where it is not, 0 where it is, None where that is not known; and why."""

    mismatch: float | None
    message: str | None = None


def served(version: str, aliases: Sequence[Named], *, written: bool) -> Served:
    """A version that made predictions in a window, held against the aliases that may serve, the one that must be first.

    A version is as expected where any of them named it about the window. ``written`` says whether the file names the aliases;
    where it does not and the model has none of them, being registered is all that is asked.

    >>> champion, other = Named("champion", ("4",), True, True), Named("challenger", (NOT_SET,), True, True)
    >>> served("4", [champion, other], written=True).mismatch, served("3", [champion, other], written=True).message
    (0.0, 'Version 3 made predictions; champion is version 4.')
    """
    holding = [one for one in aliases if version in one.versions]
    if holding:
        moved = next((one for one in holding if len(one.versions) > 1), None)
        return Served(0.0, None if moved is None or holding[0] is not moved else f"{_moved(moved)}: either is as expected.")
    first = aliases[0]
    if not written and {NOT_SET}.issuperset(name for one in aliases for name in one.versions) and first.versions:
        return Served(0.0, without_alias(aliases))
    unseen = next((one for one in aliases if not one.versions), None)
    if unseen is not None:
        return Served(None, f"{_NO_HISTORY} {unseen.alias} had not been looked up before this window's end.")
    if NOT_SET in first.versions:
        return Served(None, f"The registry had no alias {first.alias}, so which version should serve is not known.")
    expected = _moved(first) if len(first.versions) > 1 else f"{first.alias} is version {first.versions[0]}"
    others = [f"{one.alias} {' and '.join(one.versions)}" for one in aliases[1:] if NOT_SET not in one.versions]
    looks = [one.first_look for one in aliases if one.first_look is not None]
    since = f" It was first looked up {timestamp_of(max(looks)):%Y-%m-%d %H:%M:%S} UTC, and may be new since." if looks else ""
    return Served(1.0, f"Version {version} made predictions; {', '.join([expected, *others])}.{since}")


def without_alias(aliases: Sequence[Named]) -> str:
    """The message where nothing but the registration of a version is known."""
    names = " or ".join(one.alias for one in aliases)
    return f"The model has no alias {names}: only whether the version is registered was looked at."


_NO_HISTORY: Final = "The registry keeps no history of its aliases:"


def absent(first: Named, served_versions: Sequence[str]) -> Served | None:
    """The message about the version that must serve and made no prediction, where the alias named it all through the window.

    >>> absent(Named("champion", ("4",), True, True), ["3"]).message
    'Version 4 is champion and made no prediction; version 3 did.'
    """
    expected = first.steady
    if expected is None or expected in served_versions:
        return None
    others = f"version {served_versions[0]}" if len(served_versions) == 1 else f"versions {', '.join(served_versions)}"
    return Served(1.0, f"Version {expected} is {first.alias} and made no prediction; {others} did.")


def _moved(one: Named) -> str:
    return f"{one.alias} moved about this window, {' to '.join(one.versions)}"
