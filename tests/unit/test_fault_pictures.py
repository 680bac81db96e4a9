"""The page of data quality says of each fault what an incident says of it, beside a picture that is there and small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fault_pictures import FAULTS, Fault, incident_of

PAGE = Path(__file__).parents[2] / "docs" / "data-quality.md"
MOST_BYTES = 40_000


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.label)
def test_the_page_says_what_an_incident_says_of_a_fault(fault: Fault) -> None:
    found, picture = incident_of(fault), PAGE.parent / "pictures" / fault.picture

    assert found.column == fault.column
    assert found.slice == (fault.where or (None, None))
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if fault.picture in line)
    assert found.diagnosis in line
    assert f"`{found.kind}`" in line
    assert 0 < picture.stat().st_size < MOST_BYTES
