"""The failure rate's interval: Wilson's as scipy has it, whatever the number of failures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from spark_monitor.operations.serving import ServingBlock, failure_rate


@pytest.mark.parametrize("known", [1, 2, 7, 50, 1_000, 1_000_003])
def test_the_interval_is_wilsons_at_few_and_at_many_failures(known: int) -> None:
    failed = np.unique(np.concatenate([np.arange(min(known, 7) + 1), known - np.arange(min(known, 7) + 1), [known // 2]]))
    known_of = np.full(failed.size, float(known))
    found = failure_rate(ServingBlock(known_of + 5, failed.astype(float), known_of))

    expected = [binomtest(int(k), known).proportion_ci(method="wilson") for k in failed]
    assert found.value.tolist() == pytest.approx((failed / known).tolist(), rel=1e-15)
    assert found.lower.tolist() == pytest.approx([one.low for one in expected], rel=1e-9, abs=1e-15)
    assert found.upper.tolist() == pytest.approx([one.high for one in expected], rel=1e-12)


def test_of_no_request_whose_outcome_can_be_read_nothing_is_known() -> None:
    found = failure_rate(ServingBlock(np.array([9.0]), np.array([0.0]), np.array([0.0])))

    assert np.isnan([found.value[0], found.lower[0], found.upper[0]]).all()
