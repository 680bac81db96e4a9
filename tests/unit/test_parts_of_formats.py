"""What only a percentage shows is placed by how much of it each slice holds."""

from __future__ import annotations

import pytest

from spark_monitor.diagnosis.diagnose import incidents
from spark_monitor.diagnosis.groups import WHOLE, Failing, Key, Slice, of_checks
from spark_monitor.diagnosis.looks import Evidence, Look, Measured


@pytest.mark.parametrize(("of_all", "place"), [(19.4, ("grade", "C")), (90.0, WHOLE)])
def test_strings_of_another_format_in_one_slice_are_in_that_slice(of_all: float, place: Slice) -> None:
    """All 194 rows of grade C of 1,000: 19.4 % of all rows; 90 % of them are elsewhere, too."""
    metric = "percent_format_mismatch"
    whole = Failing("a", metric, family="quality", column="email", value=of_all)
    sliced = Failing("b", metric, "quality", "email", "grade", "C", value=100.0)
    keys = (Key("grade", 1, 4), Key("channel", 3, 0))
    group = of_checks(whole, start=5, end=6, name="email", failing=(whole, sliced), keys=keys)
    evidence = {
        ("email", 5, None, WHOLE): Evidence(Look(count=1_000), Look(count=9_000), quality={metric: Measured(of_all)}),
        ("email", 5, None, ("grade", "C")): Evidence(Look(count=194), Look(count=1_700), quality={metric: Measured(100.0)}),
    }

    (one,) = incidents([group], {"1 week": [(5, 6)]}, evidence, monitor_id="m")

    assert (one.kind, one.slice) == ("unseen_category", place)
    assert one.diagnosis.startswith("email: its strings have another format since")
