"""The failing checks of one subject in one window, as they are handed in: bounded however many there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from spark_monitor.diagnosis.subjects import track_of

FAIL, WELL, HELD = "FAIL", "WELL", "HELD"
SEVERITIES: Final = ("low", "medium", "high", "critical")
"""From the least to the worst."""

Slice = tuple[str | None, str | None]
WHOLE: Final[Slice] = (None, None)


@dataclass(frozen=True)
class Failing:
    """A check that fails in one window."""

    check_id: str
    metric: str
    family: str = "drift"
    column: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
    version: str | None = None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    expected: str | None = None
    severity: str = "medium"
    reason: str | None = None
    owner: str | None = None
    runbook: str | None = None
    incident_id: str | None = field(default=None, compare=False)
    """The incident that an earlier run gave it to."""

    @property
    def slice(self) -> Slice:
        """The slice; WHOLE for all rows."""
        return self.slice_key, self.slice_value


@dataclass(frozen=True)
class Key:
    """How many values of a slice key fail, and how many are well."""

    slice_key: str | None
    failing: int
    well: int


@dataclass(frozen=True)
class Group:
    """One subject in one window: FAIL where a check fails, WELL where what had failed is well, HELD where nobody can say.

    ``start`` and ``end`` are microseconds since 1970. ``failing`` holds the first of ``checks`` failing checks, those of all rows
    before those of slices.
    """

    dataset: str
    granularity: str
    track: str
    name: str
    start: int
    end: int
    state: str = FAIL
    failing: tuple[Failing, ...] = ()
    checks: int = 0
    keys: tuple[Key, ...] = ()
    versions_failing: tuple[str | None, ...] = ()
    versions_well: tuple[str | None, ...] = ()
    doubtful: tuple[str | None, ...] = ()
    """The versions of which a value of all rows lies beyond its limit, though not surely."""

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """What one series of groups is about."""
        return self.dataset, self.granularity, self.track, self.name

    @property
    def column(self) -> str | None:
        """The column that it is about, None where it is about none."""
        return next((one.column for one in self.failing if one.column is not None), None)

    @property
    def whole(self) -> bool:
        """Whether a check of all rows fails."""
        return any(one.slice_key is None for one in self.failing)

    @property
    def versions_spared(self) -> frozenset[str | None]:
        """The versions that are well while others fail; none where slices alone fail, of which all rows say nothing.

        >>> one = Failing("c", "accuracy_score", slice_key="plan", slice_value="gold", version="1")
        >>> about = {"start": 0, "end": 1, "versions_well": ("2",)}
        >>> of_checks(one, **about).versions_spared, of_checks(replace(one, slice_key=None), **about).versions_spared
        (frozenset(), frozenset({'2'}))
        """
        return frozenset(self.versions_well) - frozenset(self.versions_failing) if self.whole else frozenset()


def of_checks(check: Failing, *, start: int, end: int, **about: Any) -> Group:
    """A group of one failing check, for a table made by hand; ``about`` are other fields of the group.

    >>> group = of_checks(Failing("c", "ks", column="a"), start=0, end=1)
    >>> group.subject, group.whole
    (('predictions', '1 week', 'values', 'a'), True)
    """
    track, name = track_of(check.family, check.metric), check.column or check.metric
    group = Group("predictions", "1 week", track, name, start, end, failing=(check,), checks=1, versions_failing=(check.version,))
    return replace(group, **about)


def worst(severities: list[str]) -> str:
    """The worst of severities; medium where there are none.

    >>> worst(["low", "critical", "high"]), worst([])
    ('critical', 'medium')
    """
    named = [name for name in severities if name in SEVERITIES]
    return max(named, key=SEVERITIES.index) if named else "medium"
