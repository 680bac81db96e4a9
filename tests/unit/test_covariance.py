"""Correlations and reconstruction errors against numpy, pandas and scikit-learn on the rows themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from spark_monitor.distances.correlation_shift import PairBlock, correlation_shift
from spark_monitor.distances.reconstruction import ErrorBlock, reconstruction_error, reconstruction_error_ratio
from spark_monitor.kernel import covariances
from spark_monitor.kernel.covariances import CovariancePlan
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import KernelColumn, KernelPlan
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.grid import Grid

NAMES = ("a", "b", "c", "d", "e")


def rows(generator: np.random.Generator, size: int, *, shift: float = 0.0) -> np.ndarray:
    mixing = np.random.default_rng(5).normal(size=(5, 5))
    return mixing @ generator.normal(size=(5, size)) + shift


def state_of(values: np.ndarray, frozen: np.ndarray | None = None) -> CovarianceState:
    """As a task makes it: in the deviations of the frozen rows from their mean."""
    frozen = values if frozen is None else frozen
    centred = values - np.nanmean(frozen, axis=1, keepdims=True)
    return CovarianceState.empty(NAMES).update(centred / np.nanstd(frozen, axis=1, keepdims=True))


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_correlations_are_those_of_pandas_over_the_rows_with_both_values(missing: float, shift: float) -> None:
    generator = np.random.default_rng(11)
    values = rows(generator, 9_000, shift=shift)
    values[1:4][generator.random((3, 9_000)) < missing] = np.nan
    frozen = rows(generator, 5_000)
    parts = [state_of(part, frozen) for part in np.array_split(values, 3, axis=1)]
    found = PairBlock.of(parts[0].merge(parts[2]).merge(parts[1]))
    exact = pd.DataFrame(values.T).corr().to_numpy()[np.triu_indices(5, 1)]
    np.testing.assert_allclose(found.correlation, exact, atol=1e-9)
    assert (np.abs(found.correlation - exact) <= np.maximum(found.error, 1e-14)).all()


def test_the_reconstruction_error_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(12)
    before, now = rows(generator, 20_000), rows(generator, 4_000, shift=0.4)
    scaler = StandardScaler().fit(before.T)
    pca = PCA(n_components=0.65, svd_solver="full").fit(scaler.transform(before.T))
    blocks = ErrorBlock.of(state_of(before), [state_of(now, before), state_of(before)])
    found = reconstruction_error(*blocks)
    for place, values in enumerate((now, before)):
        scaled = scaler.transform(values.T)
        errors = ((scaled - pca.inverse_transform(pca.transform(scaled))) ** 2).sum(axis=1)
        assert found.value[place] == pytest.approx(errors.mean(), rel=1e-9)
        assert blocks[1].variance[place] == pytest.approx(errors.var(), rel=0.15)
    assert found.details is not None
    assert found.details[0] is not None
    assert found.details[0]["components"] == str(pca.n_components_)
    assert reconstruction_error_ratio(*blocks).value[1] == pytest.approx(1.0)


def test_the_feature_that_left_the_others_is_named_first() -> None:
    generator = np.random.default_rng(13)
    before, now = rows(generator, 20_000), rows(generator, 4_000)
    now[2] = generator.permutation(now[2])
    found = reconstruction_error_ratio(*ErrorBlock.of(state_of(before), [state_of(now, before)]))
    assert found.details is not None
    assert found.details[0] is not None
    assert found.lower is not None
    assert found.details[0]["features"].startswith('{"c":')
    assert found.lower[0] > 1.0


@pytest.mark.parametrize("tails", ["normal", "laplace", "lognormal"])
def test_intervals_of_both_hold_the_truth_in_95_percent_of_windows(tails: str) -> None:
    generator = np.random.default_rng(14)
    mixing = np.random.default_rng(6).normal(size=(5, 5))
    draw = {"normal": generator.normal, "laplace": generator.laplace, "lognormal": lambda size: generator.lognormal(0, 0.5, size)}

    frozen = mixing @ draw[tails](size=(5, 100_000))
    truth, windows = state_of(frozen), [state_of(mixing @ draw[tails](size=(5, 2_000)), frozen) for _ in range(150)]
    pairs, blocks = PairBlock.of(truth), ErrorBlock.of(truth, windows)
    inside = np.array(
        [(one.lower <= 0) & (one.upper >= 0) for one in (correlation_shift(pairs, PairBlock.of(w)) for w in windows)]
    )
    errors, ratio = reconstruction_error(*blocks), reconstruction_error_ratio(*blocks)
    assert 0.92 <= inside.mean() <= 0.995
    for found, exact in ((errors, blocks[0].error[0]), (ratio, 1.0)):
        assert 0.90 <= np.mean((found.lower <= exact) & (found.upper >= exact)) <= 1.0


def test_a_column_without_values_is_left_out_and_named() -> None:
    generator = np.random.default_rng(15)
    before, now = rows(generator, 5_000), rows(generator, 2_000)
    now[1] = np.nan
    found = reconstruction_error(*ErrorBlock.of(state_of(before), [state_of(now, before), state_of(now[:, :5], before)]))
    assert found.statuses.tolist() == ["OK", "UNDEFINED"]
    assert list(found.message or ()) == ["Without b, which held no number.", "There are 5 rows, fewer than 30."]
    pairs = correlation_shift(PairBlock.of(state_of(before)), PairBlock.of(state_of(now, before)))
    assert np.isnan(pairs.value).sum() == 4


def test_a_task_gathers_the_products_of_whole_windows_and_of_wanted_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covariances, "HELD_BYTES", 8 * 3 * 64)
    monkeypatch.setattr(covariances, "LEAST_ROWS", 64)
    generator = np.random.default_rng(16)
    size = 500
    values = generator.normal(5, 3, size=(3, size))
    values[1][generator.random(size) < 0.1] = np.nan
    times, slices = generator.integers(0, 100, size), generator.choice(["a", "b", "c"], size)
    table = pa.table(
        {
            "time": pa.array(times),
            "null_id": pa.array(np.zeros(size, dtype=np.bool_)),
            "version": pa.array(["1"] * size),
            "s0": pa.array(slices),
            **{name: pa.array(own, from_pandas=True) for name, own in zip("xyz", values, strict=True)},
        }
    )
    own = CovariancePlan(("x", "y", "z"), (0, 1, 2), (5.0, 5.0, 5.0), (3.0, 3.0, 3.0), (frozenset({"a"}),))
    grid = Grid.of(np.arange(-10.0, 20.0))
    columns = tuple(KernelColumn(name, grid) for name in "xyz")
    plan = KernelPlan(columns, (0, 50, 100), ((0,), (1,)), 1, (None,), covariance=own)
    found: dict[tuple[int, str | None], CovarianceState] = {}
    for batch in Task(plan, 0).run(table.to_batches(max_chunksize=40)):
        for row in batch.to_pylist():
            if row["column"] == covariances.COVARIANCE_COLUMN:
                key, state = (row["window"], row["slice_value"]), CovarianceState.from_bytes(row["state"])
                found[key] = found[key].merge(state) if key in found else state
    assert set(found) == {(0, None), (1, None), (0, "a"), (1, "a")}
    for (window, name), state in found.items():
        chosen = (times // 50 == window) & ((slices == name) if name is not None else True)
        exact = CovarianceState.empty(("x", "y", "z")).update((values[:, chosen] - 5.0) / 3.0)
        assert (state.count, state.pair_counts.tolist()) == (exact.count, exact.pair_counts.tolist())
        for part in ("powers", "products", "pair_sums", "pair_squares", "norms"):
            np.testing.assert_allclose(getattr(state, part), getattr(exact, part), rtol=1e-12, atol=1e-9)
