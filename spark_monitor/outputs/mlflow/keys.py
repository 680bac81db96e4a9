"""Names of metric series as MLflow accepts them: readable where they can be, and never two series under one name.

A key is ``family/name``, then ``.column`` and ``.slice`` where there are any. Text that comes from data is cleaned; where
cleaning changed or could confuse anything, a short hash of the original keeps the keys apart.
"""

from __future__ import annotations

import hashlib
import re

LONGEST_KEY = 250
"""What every store of MLflow accepts."""

LONGEST_PART = 80
"""A column's or a slice's part of a key, hash included: two of them and the metric's name stay below LONGEST_KEY."""

HASH_LENGTH = 8
NULL = "NULL"

_REFUSED = re.compile(r"[^\w\- ]+")
_REFUSED_OUTSIDE_ASCII = re.compile(r"[^\w\- ]+", re.ASCII)
_LIKE_A_HASH = re.compile(rf"-[0-9a-f]{{{HASH_LENGTH}}}$")


def metric_key(
    family: str,
    name: str,
    *,
    column: str | None = None,
    slice_key: str | None = None,
    slice_value: str | None = None,
    ascii_only: bool = False,
) -> str:
    """The key of one series.

    ``ascii_only`` is for servers that are stricter than MLflow's own check, which lets letters of all languages pass.

    >>> metric_key("drift", "ks", column="wind_speed")
    'drift/ks.wind_speed'
    >>> metric_key("model", "roc_auc_score", slice_key="origin", slice_value="JFK")
    'model/roc_auc_score.origin JFK'
    >>> metric_key("drift", "ks", column="wind.speed")
    'drift/ks.wind_speed-0de03bb2'
    """
    parts = [f"{family}/{name}"]
    if column is not None:
        parts.append(_cleaned(column, identity=repr(("column", column)), ascii_only=ascii_only, ambiguous=" " in column))
    if slice_key is not None:
        parts.append(_slice_part(slice_key, slice_value, ascii_only=ascii_only))
    return ".".join(parts)


def with_hash(key: str) -> str:
    """A key made distinct from one that differs only in case: some stores compare keys without regard to it.

    >>> with_hash("drift/ks.Temp")
    'drift/ks.Temp-7bff5b30'
    """
    return f"{key[: LONGEST_KEY - HASH_LENGTH - 1]}-{short_hash(key)}"


def short_hash(text: str) -> str:
    """The first digits of a text's SHA-256; lone surrogates, which Python's strings may hold, are hashed as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]


def _slice_part(slice_key: str, slice_value: str | None, *, ascii_only: bool) -> str:
    """``key value``; what could be read in two ways (a blank in the key, a value that is missing) carries the hash."""
    text = f"{slice_key} {NULL if slice_value is None else slice_value}"
    ambiguous = " " in slice_key or slice_value in (None, NULL, "")
    return _cleaned(text, identity=repr(("slice", slice_key, slice_value)), ascii_only=ascii_only, ambiguous=ambiguous)


def _cleaned(text: str, *, identity: str, ascii_only: bool, ambiguous: bool) -> str:
    refused = _REFUSED_OUTSIDE_ASCII if ascii_only else _REFUSED
    cleaned = refused.sub("_", text).strip()
    as_it_is = cleaned == text and cleaned and len(cleaned) <= LONGEST_PART and not _LIKE_A_HASH.search(cleaned)
    if as_it_is and not ambiguous:
        return cleaned
    return f"{cleaned[: LONGEST_PART - HASH_LENGTH - 1]}-{short_hash(identity)}"
