"""The state of a column of strings or bytes: exact counts of the baseline's categories, lengths, distinct and frequent values.

Strings longer than 256 bytes are named by their first characters and a hash, so that a category of a megabyte costs no more than
another. Bytes are named by their hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.states.codec import Arrays, pack, unpack
from spark_monitor.states.distinct import K_SLICE, K_WINDOW, LONG_TEXT_BYTES, Distinct, Hashes, hash_texts
from spark_monitor.states.frequent import CAPACITY, SHOWN, Frequent
from spark_monitor.states.grid import Integers
from spark_monitor.states.stored import counts

TAG = "CATS"
MAX_CATEGORIES = 1024
_SHOWN_CHARACTERS = 64


@dataclass(frozen=True, eq=False)
class Categories:
    """The baseline's most frequent strings, frozen in this order.

    >>> Categories(("b", "a")).positions(pa.array(["a", "c"])).tolist()
    [1, -1]
    """

    texts: tuple[str, ...] = ()

    @cached_property
    def categories_id(self) -> str:
        """Sixteen hexadecimal digits that are equal exactly for equal categories."""
        return hashlib.sha256("\x00".join(f"{len(text)}:{text}" for text in self.texts).encode()).hexdigest()[:16]

    @cached_property
    def _array(self) -> pa.Array:
        return pa.array(self.texts, type=pa.string())

    def positions(self, strings: pa.Array) -> Integers:
        """The position of every text among the categories, -1 where it is none of them."""
        places = pc.fill_null(pc.index_in(strings, value_set=self._array), -1)
        return np.asarray(places.to_numpy(zero_copy_only=False), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """The distinct values of a batch, each described once: its name, its category, its hash and its length in characters."""

    texts: pa.Array
    positions: Integers
    hashes: Hashes
    lengths: Integers

    @classmethod
    def of(cls, values: pa.Array, categories: Categories) -> Dictionary:
        """Describe distinct strings or binary values, none of them null."""
        binary = pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
        lengths = pc.binary_length(values) if binary else pc.utf8_length(values)
        strings = named(values)
        return cls(
            texts=strings,
            positions=categories.positions(strings),
            hashes=hash_texts(values),
            lengths=np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64),
        )


def named(values: pa.Array) -> pa.Array:
    """The strings by which values are counted: themselves while short, else a beginning and a hash."""
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return pa.array([_name_of_bytes(value) for value in values.to_pylist()], type=pa.string())
    long = np.flatnonzero(np.asarray(pc.binary_length(values).to_numpy(zero_copy_only=False)) > LONG_TEXT_BYTES)
    values = values.cast(pa.string())
    if not long.size:
        return values
    mask = np.zeros(len(values), dtype=bool)
    mask[long] = True
    names = pa.array([_name_of_text(values[int(index)].as_py()) for index in long], type=pa.string())
    return pc.replace_with_mask(values, pa.array(mask), names)


def _name_of_text(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters, sha256 {digest})"


def _name_of_bytes(value: bytes) -> str:
    if len(value) <= LONG_TEXT_BYTES // 2:
        return value.hex()
    return f"{value[: _SHOWN_CHARACTERS // 2].hex()}… ({len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()[:16]})"


@dataclass(frozen=True, eq=False)
class CategoricalState:
    """What is known of a string column in one window, version and slice.

    >>> state = CategoricalState.empty(Categories(("a", "b"))).update(pa.array(["a", "a", "", "zz", None]))
    >>> state.count, state.nulls, state.empties, state.counts.tolist(), state.other, state.max_length
    (5, 1, 1, [2, 0], 2, 2)
    """

    categories: Categories
    count: int
    nulls: int
    empties: int
    min_length: int
    max_length: int
    total_length: int
    counts: Integers
    distinct: Distinct
    frequent: Frequent[str]

    @classmethod
    def empty(cls, categories: Categories, *, hashes: int = K_WINDOW, capacity: int = CAPACITY) -> CategoricalState:
        """The state of no row, which will keep so many hashes and so many frequent values."""
        nothing = np.zeros(len(categories.texts), dtype=np.int64)
        frequent = Frequent[str]({}, capacity=capacity)
        return cls(categories, 0, 0, 0, 0, 0, 0, nothing, Distinct.empty(hashes), frequent)

    @classmethod
    def of_counts(
        cls, dictionary: Dictionary, seen: Integers, many: Integers, empty: CategoricalState, *, nulls: int
    ) -> CategoricalState:
        """The state of a batch: ``many[i]`` rows hold entry ``seen[i]`` of the dictionary; ``empty`` says what is kept."""
        categories = empty.categories
        lengths, positions = dictionary.lengths[seen], dictionary.positions[seen]
        named = positions >= 0
        totals = np.bincount(positions[named], weights=many[named], minlength=len(categories.texts))
        return cls(
            categories=categories,
            count=int(many.sum()) + nulls,
            nulls=nulls,
            empties=int(many[lengths == 0].sum()),
            min_length=int(lengths.min()) if seen.size else 0,
            max_length=int(lengths.max()) if seen.size else 0,
            total_length=int(np.dot(lengths, many)),
            counts=totals.astype(np.int64),
            distinct=Distinct.of(dictionary.hashes[seen], empty.distinct.k),
            frequent=_frequent(dictionary, seen, many, empty.frequent.capacity),
        )

    def update(self, values: pa.Array) -> CategoricalState:
        """This state and a batch of strings or binary values, nulls among them."""
        encoded = pa.array(values).dictionary_encode()
        codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
        seen, many = np.unique(codes[codes >= 0], return_counts=True)
        dictionary = Dictionary.of(encoded.dictionary, self.categories)
        more = CategoricalState.of_counts(dictionary, seen, many, self, nulls=int((codes < 0).sum()))
        return self.merge(more)

    def as_slice(self) -> CategoricalState:
        """The same with fewer hashes, as slices are kept."""
        return replace(self, distinct=self.distinct.trimmed(K_SLICE))

    def merge(self, other: CategoricalState) -> CategoricalState:
        """The state of both; both must count the same categories."""
        if self.categories is not other.categories and self.categories.categories_id != other.categories.categories_id:
            raise StateError("categorical state: the two count different categories and cannot be merged.")
        both = self.count > self.nulls and other.count > other.nulls
        present = self if self.count > self.nulls else other
        return CategoricalState(
            categories=self.categories,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            empties=self.empties + other.empties,
            min_length=min(self.min_length, other.min_length) if both else present.min_length,
            max_length=max(self.max_length, other.max_length),
            total_length=self.total_length + other.total_length,
            counts=self.counts + other.counts,
            distinct=self.distinct.merge(other.distinct),
            frequent=self.frequent.merge(other.frequent),
        )

    @property
    def present(self) -> int:
        """Number of rows with a value."""
        return self.count - self.nulls

    @property
    def other(self) -> int:
        """Number of values that are none of the baseline's categories."""
        return self.present - int(self.counts.sum())

    @property
    def avg_length(self) -> float:
        """Mean length in characters (bytes for binary columns); nan without a value."""
        return self.total_length / self.present if self.present else float("nan")

    @property
    def distinct_count(self) -> int:
        """Distinct values, exact while few, else within the state's relative error; never more than there are."""
        return min(self.distinct.count, self.present)

    @property
    def frequent_items(self) -> list[tuple[str, int]]:
        """The most frequent values and their counts, exact for the baseline's categories, otherwise never too high."""
        order = np.argsort(-self.counts, kind="stable")[:SHOWN]
        exact = {self.categories.texts[i]: int(self.counts[i]) for i in order if self.counts[i]}
        counts = {**dict(self.frequent.top()), **exact}
        return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:SHOWN]

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        totals = [self.count, self.nulls, self.empties, self.min_length, self.max_length, self.total_length]
        meta = {
            "categories": self.categories.categories_id,
            "theta": str(self.distinct.theta),
            "k": self.distinct.k,
            "dropped": self.frequent.dropped,
            "capacity": self.frequent.capacity,
            "items": list(self.frequent.counts),
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "totals": np.array(totals, dtype=np.int64),
            "counts": self.counts,
            "hashes": self.distinct.hashes,
            "item_counts": np.array(list(self.frequent.counts.values()), dtype=np.int64),
        }
        return pack(TAG, meta, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, categories: Categories) -> CategoricalState:
        """The state that ``to_bytes`` wrote for these categories."""
        meta, arrays = unpack(data, TAG)
        if meta.get("categories") != categories.categories_id:
            raise StateError("categorical state: was made for other categories than those given.")
        try:
            return _restored(meta, arrays, categories)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise StateError(f"categorical state: damaged ({type(error).__name__}: {error}).") from error


def _restored(meta: Mapping[str, Any], arrays: Arrays, categories: Categories) -> CategoricalState:
    count, nulls, empties, shortest, longest, total = counts(arrays, "totals", 6).tolist()
    category_counts = counts(arrays, "counts", len(categories.texts))
    present = count - nulls
    if category_counts.sum() > present or empties > present:
        raise StateError("categorical state: it counts more values than it has rows.")
    if not shortest * present <= total <= longest * present or (present == 0 and longest):
        raise StateError(f"categorical state: {present} values of length {shortest} to {longest} cannot have {total} characters.")
    items = meta["items"]
    if not (isinstance(items, list) and all(isinstance(item, str) for item in items)):
        raise StateError("categorical state: a frequent value is not a string.")
    rows = counts(arrays, "item_counts", len(items)).tolist()
    frequent = Frequent.stored(items, rows, int(meta["dropped"]), int(meta["capacity"]))
    distinct = Distinct.stored(int(meta["k"]), int(meta["theta"]), arrays["hashes"])
    return CategoricalState(categories, count, nulls, empties, shortest, longest, total, category_counts, distinct, frequent)


def _frequent(dictionary: Dictionary, seen: Integers, many: Integers, capacity: int) -> Frequent[str]:
    """The most frequent entries by name; of entries that share the least count that would fit, none is kept."""
    least = int(np.partition(many, many.size - capacity)[many.size - capacity]) if many.size > capacity else 0
    above = np.flatnonzero(many > least)
    names = dictionary.texts.take(pa.array(seen[above])).to_pylist()
    return Frequent(dict(zip(names, many[above].tolist(), strict=True)), least, capacity)


def freeze_categories(items: Sequence[tuple[str, int]]) -> Categories:
    """The categories of a baseline: its most frequent strings, at most ``MAX_CATEGORIES``."""
    ranked = sorted(items, key=lambda entry: (-entry[1], entry[0]))
    return Categories(tuple(text for text, _ in ranked[:MAX_CATEGORIES]))
