"""The state of the scores of several classes against the class that turned out to be true: each class against the rest.

Per class a `ScoreState` of its scores (positive: the row is of the class), so that areas under curves and calibration follow as
for two classes; besides these the sums of the log loss, and how many rows rank their class how high.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.binary import TAG as SCORE_TAG
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.coarser import on_grid
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.probabilities import CLIP
from spark_monitor.states.score_grids import class_score_grid, class_steps
from spark_monitor.states.stored import floats, pairs, weights_of
from spark_monitor.states.sums import add_pairs, pair_of
from spark_monitor.states.weighting import Weighting, added

TAG = "CLSC"
SUM_TOLERANCE = 1e-6
MOST_ROWS = 1 << 53
"""Rows are stored as doubles, which hold every integer up to here."""


@lru_cache(maxsize=1)
def class_grid() -> Grid:
    """The edges on which each class's scores are counted.

    >>> class_grid().edges.size
    385
    """
    return class_score_grid()


@lru_cache(maxsize=1)
def former_class_grid() -> Grid:
    """The edges of earlier releases, all of which are edges still."""
    return Grid.of(class_steps())


@dataclass(frozen=True, eq=False)
class ClassScoresState:
    """Labelled rows by their classes' scores.

    ``classes`` are those that have a score, in the order of their strings; ``ranks`` [K] counts rows whose class has the highest
    score, the second, ... (of equal scores the later class is the higher one, as in scikit-learn); ``strangers`` are rows whose
    label is none of the classes, ``unscored`` rows that lack a score; ``uneven`` rows whose scores do not add up to 1.
    ``losses`` float64[2, 2] sum -log(score of the true class) and its square, ``cube`` its third power.

    >>> state = ClassScoresState.empty(("a", "b")).update(np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]]))
    >>> state.count, state.ranks.tolist()
    (2, [1, 1])
    """

    classes: tuple[str, ...]
    states: tuple[ScoreState, ...]
    ranks: npt.NDArray[Any]
    losses: Floats
    cube: float
    strangers: int
    unscored: int
    uneven: int
    weighting: Weighting | None = None

    @classmethod
    def empty(cls, classes: tuple[str, ...]) -> ClassScoresState:
        """The state of no row."""
        grid = class_grid()
        states = tuple(ScoreState.empty(grid) for _ in classes)
        return cls(classes, states, np.zeros(len(classes), dtype=np.int64), np.zeros((2, 2)), 0.0, 0, 0, 0)

    def update(self, labels: Integers, scores: Floats, *, weights: Floats | None = None) -> ClassScoresState:
        """This state and more rows: the place of each one's class, -1 for a class without scores, and scores float64[n, K]."""
        is_class, whole = labels >= 0, np.isfinite(scores).all(axis=1)
        used = is_class & whole
        strangers, unscored = int(np.count_nonzero(~is_class)), int(np.count_nonzero(is_class & ~whole))
        labels, scores = labels[used], scores[used]
        weights = None if weights is None else weights[used]
        label_score = scores[np.arange(labels.size), labels]
        later = np.arange(len(self.classes))[None, :] > labels[:, None]
        ahead = (scores > label_score[:, None]) | ((scores == label_score[:, None]) & later)
        counted = np.bincount(ahead.sum(axis=1), weights=weights, minlength=len(self.classes))
        loss = -np.log(np.clip(label_score, CLIP, 1.0 - CLIP))
        terms = [loss, np.square(loss), loss**3]
        if weights is not None:
            terms = [weights * term for term in terms]
        part = ClassScoresState(
            self.classes,
            tuple(
                ScoreState.empty(state.grid).update(labels == place, scores[:, place], weights=weights)
                for place, state in enumerate(self.states)
            ),
            counted.astype(np.int64 if weights is None else np.float64),
            np.stack([pair_of(terms[0]), pair_of(terms[1])]),
            float(terms[2].sum()),
            strangers,
            unscored,
            int(np.count_nonzero(np.abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE)),
            None if weights is None else Weighting.of(weights),
        )
        return self.merge(part)

    def merge(self, other: ClassScoresState) -> ClassScoresState:
        """The state of both; both must be of the same classes. With one of an earlier release it is on that one's edges."""
        if self.classes != other.classes:
            raise StateError(f"class scores: of classes {self.classes}, cannot be merged with those of {other.classes}.")
        if len({state.grid.grid_id for state in (*self.states, *other.states)}) > 1:
            return self.on_former_edges().merge(other.on_former_edges())
        return ClassScoresState(
            self.classes,
            tuple(one.merge(two) for one, two in zip(self.states, other.states, strict=True)),
            self.ranks + other.ranks,
            add_pairs(self.losses, other.losses),
            self.cube + other.cube,
            self.strangers + other.strangers,
            self.unscored + other.unscored,
            self.uneven + other.uneven,
            added(self.weighting, self.used, other.weighting, other.used),
        )

    def on_former_edges(self) -> ClassScoresState:
        """The same rows, counted as earlier releases did."""
        return replace(self, states=tuple(on_grid(state, former_class_grid()) for state in self.states))

    def effective(self) -> ClassScoresState:
        """This state as one of as many equal rows as its weights are worth; itself where rows have no weights."""
        if self.weighting is None:
            return self
        scale = self.weighting.scale
        states = tuple(state.effective() for state in self.states)
        rest = (self.strangers, self.unscored, self.uneven)
        return ClassScoresState(self.classes, states, self.ranks * scale, self.losses * scale, self.cube * scale, *rest)

    @property
    def used(self) -> int:
        """Rows of a known class with all scores."""
        if self.weighting is not None:
            return self.weighting.rows
        total = self.ranks.sum()
        # Of an ``effective`` state it is what the weights are worth, no integer.
        return int(total) if self.ranks.dtype.kind == "i" else float(total)  # type: ignore[return-value]

    @property
    def count(self) -> int:
        """Labelled rows."""
        return self.used + self.strangers + self.unscored

    @property
    def labelled(self) -> npt.NDArray[Any]:
        """Rows, or weight, of each class, [K]."""
        return np.array([state.positive_rows for state in self.states])

    @property
    def nbytes(self) -> int:
        """Memory that the state's arrays take, the shared grid not counted."""
        return sum(state.nbytes for state in self.states) + self.ranks.nbytes

    def to_bytes(self) -> bytes:
        """The state's bytes; the classes' states are among them."""
        parts = [state.to_bytes() for state in self.states]
        meta: dict[str, Any] = {
            "classes": list(self.classes),
            "counts": [self.strangers, self.unscored, self.uneven],
            "lengths": [len(part) for part in parts],
        }
        if self.weighting is not None:
            meta["weights"] = self.weighting.stored()
        arrays = {
            "ranks": self.ranks.astype(np.float64),
            "losses": self.losses.ravel(),
            "cube": np.array([self.cube]),
            "states": np.frombuffer(b"".join(parts), dtype=np.uint8),
        }
        return pack(TAG, meta, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> ClassScoresState:
        """The state that ``to_bytes`` wrote."""
        meta, arrays = unpack(data, TAG)
        try:
            classes, lengths = tuple(meta["classes"]), [int(one) for one in meta["lengths"]]
            strangers, unscored, uneven = (int(one) for one in meta["counts"])
            raw = np.asarray(arrays["states"], dtype=np.uint8).tobytes()
        except (KeyError, ValueError, TypeError) as error:
            raise StateError(f"class scores: damaged ({type(error).__name__}: {error}).") from error
        if min([strangers, unscored, uneven, *lengths], default=0) < 0 or sum(lengths) != len(raw):
            raise StateError("class scores: their states do not add up.")
        ends = np.cumsum([0, *lengths])
        states = tuple(_of_class(raw[low:high]) for low, high in itertools.pairwise(ends))
        if len(states) != len(classes) or not all(isinstance(name, str) for name in classes):
            raise StateError("class scores: not one state for each class.")
        weighting = Weighting.restored(meta.get("weights"))
        ranks: npt.NDArray[Any] = weights_of(arrays, "ranks", len(classes))
        if weighting is None and (ranks > MOST_ROWS).any():
            raise StateError("class scores: a rank has more rows than can be counted.")
        ranks = ranks.astype(np.int64) if weighting is None else ranks
        sums = pairs(arrays, "losses", 2), float(floats(arrays, "cube", 1)[0])
        return cls(classes, states, ranks, *sums, strangers, unscored, uneven, weighting)


def _of_class(data: bytes) -> ScoreState:
    """A class's state, on the edges of now or of earlier releases."""
    named = unpack(data, SCORE_TAG)[0].get("grid")
    return ScoreState.from_bytes(data, former_class_grid() if named == former_class_grid().grid_id else class_grid())
