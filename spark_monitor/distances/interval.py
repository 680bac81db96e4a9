"""A number and the bounds between which the true one lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

CERTAIN = "certain"
SKETCH = "99 % a rank (sketch)"


@dataclass(frozen=True)
class Interval:
    """``value`` with ``lower <= value <= upper``; ``basis`` says how sure the bounds are.

    >>> print(Interval(0.25, 0.2, 0.3))
    0.25 [0.2, 0.3] certain
    >>> Interval(0.25, 0.2, 0.3).width
    0.09999999999999998
    """

    value: float
    lower: float
    upper: float
    basis: str = CERTAIN

    def __str__(self) -> str:
        return f"{self.value:.6g} [{self.lower:.6g}, {self.upper:.6g}] {self.basis}"

    def __contains__(self, number: float) -> bool:
        return self.lower <= number <= self.upper

    @property
    def width(self) -> float:
        """upper - lower."""
        return self.upper - self.lower

    def intersect(self, other: Interval) -> Interval:
        """What both allow, with ``other``'s value brought inside; this interval unchanged where they exclude each other.

        >>> Interval(0.1, 0.1, 0.5).intersect(Interval(0.3, 0.25, 0.35, "99 %"))
        Interval(value=0.3, lower=0.25, upper=0.35, basis='99 %')
        >>> Interval(0.1, 0.1, 0.2).intersect(Interval(0.3, 0.25, 0.35, "99 %"))
        Interval(value=0.1, lower=0.1, upper=0.2, basis='certain')
        """
        lower, upper = max(self.lower, other.lower), min(self.upper, other.upper)
        if lower > upper:
            return self
        return replace(other, value=min(max(other.value, lower), upper), lower=lower, upper=upper)
