"""Delta-rs is left alone where the pyarrow beside it does not understand its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from spark_monitor.store.delta_rs import has_delta_rs
from spark_monitor.store.local import LocalTables, NotHere


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    has_delta_rs.cache_clear()
    yield
    has_delta_rs.cache_clear()


def test_delta_rs_is_used_here() -> None:
    assert has_delta_rs()


def test_an_old_pyarrow_leaves_the_tables_to_spark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(pa, "string_view")
    assert not has_delta_rs()
    with pytest.raises(NotHere, match="pyarrow>=16"):
        LocalTables(str(tmp_path))


@pytest.mark.parametrize(("release", "is_there"), [("0.25.5", False), ("1.0.2", True)])
def test_releases_before_the_first_are_not_used(monkeypatch: pytest.MonkeyPatch, release: str, is_there: bool) -> None:
    monkeypatch.setattr("spark_monitor.store.delta_rs.version", lambda name: release)
    assert has_delta_rs() is is_there
