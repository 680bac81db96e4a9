"""A quantile sketch that is merged from others only when it is asked for more than how far off it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

from spark_monitor.states.sketch import Kll, bound_of
from spark_monitor.states.sketch_image import is_exact_image


@dataclass(frozen=True, eq=False)
class LateSketch:
    """The sketch of ``n`` values from the sketches or images of its ``parts``, all of one k, merged in their order.

    >>> late = LateSketch((Kll.of([1.0, 2.0]).to_bytes(), Kll.of([3.0])), 3)
    >>> late.rank_error, late.merged.levels[0].tolist()
    (0.0, [1.0, 2.0, 3.0])
    """

    parts: Sequence[bytes | Kll]
    n: int

    @cached_property
    def merged(self) -> Kll:
        """The sketch of all parts."""
        return reduce(Kll.merge, (Kll.from_bytes(one) if isinstance(one, bytes) else one for one in self.parts))

    @property
    def rank_error(self) -> float:
        """``Kll.rank_error`` of the merged sketch: 0 while it holds every value, which it does up to its k."""
        inexact = not all(is_exact_image(one) if isinstance(one, bytes) else one.is_exact for one in self.parts)
        first = self.parts[0]
        k = (Kll.from_bytes(first) if isinstance(first, bytes) else first).k
        return bound_of(k) if inexact or self.n > k else 0.0
