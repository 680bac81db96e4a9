"""Two categories that exchange a few percent of the rows are re-coded; shares that shift in some other way hardly look so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spark_monitor.diagnosis.categories import encoding_swap
from spark_monitor.diagnosis.looks import Evidence, Look, Measured
from spark_monitor.quality.permutation import exchanged

BASELINE_ROWS, TRIALS = 30_000, 400


def look(random: np.random.Generator, shares: np.ndarray, rows: int) -> Look:
    counts = random.multinomial(rows, shares)
    items = {f"category {place}": int(count) for place, count in enumerate(counts) if count}
    return Look(count=rows, distinct=len(items), items=items, longest=10.0)


def told(random: np.random.Generator, was: np.ndarray, now: np.ndarray, rows: int) -> str | None:
    finding = encoding_swap(Evidence(look(random, now, rows), look(random, was, BASELINE_ROWS)))
    return None if finding is None else finding.kind


@pytest.mark.parametrize(
    ("shares", "places", "rows"),
    [
        ([0.35, 0.3, 0.2, 0.15], (0, 2), 1000),
        ([0.27, 0.22, 0.18, 0.13, 0.11, 0.09], (0, 3), 2400),
        ([0.4, 0.25, 0.2, 0.15], (0, 1), 2400),
    ],
)
def test_two_categories_that_exchange_their_names_are_re_coded(shares: list[float], places: tuple[int, int], rows: int) -> None:
    random, was = np.random.default_rng(3), np.array(shares)
    now = was.copy()
    now[list(places)] = was[list(places[::-1])]

    found = [told(random, was, now, rows) for _ in range(40)]
    assert found.count("encoding_swap") >= 34


@pytest.mark.parametrize("rows", [1000, 2400, 10_000])
@pytest.mark.parametrize("many", [3, 4, 6, 8])
def test_shares_that_shift_are_hardly_ever_taken_for_exchanged(many: int, rows: int) -> None:
    random = np.random.default_rng([many, rows])
    found, moved = 0, 0
    for _ in range(TRIALS):
        was = random.dirichlet(np.full(many, 3))
        now = was * np.exp(random.normal(0, 0.5, many))
        now /= now.sum()
        if 0.1 <= np.abs(was - now).sum() / 2 < 0.2:
            moved += 1
            found += told(random, was, now, rows) is not None

    assert moved > 100
    assert found <= 0.05 * moved


def test_one_category_that_grows_at_the_cost_of_all_others_is_not_re_coded() -> None:
    random = np.random.default_rng(8)
    was = np.array([0.35, 0.3, 0.2, 0.15])
    now = was * np.array([1.0, 1.0, 1.0, 2.4])
    assert {told(random, was, now / now.sum(), 2400) for _ in range(40)} == {None}


@pytest.mark.parametrize("rows", [130, 260, 520, 1250])
@pytest.mark.parametrize("shares", [[0.42, 0.28, 0.19, 0.11], [0.37, 0.26, 0.18, 0.12, 0.07], [0.45, 0.24, 0.15, 0.1, 0.06]])
def test_four_categories_whose_names_go_round_are_re_coded_though_one_alone_seems_to_have_moved(
    shares: list[float], rows: int
) -> None:
    """Each share is about the same part of the one before: without the first the others keep their proportions, nearly."""
    random, was = np.random.default_rng([7, rows]), np.array(shares)
    now = was.copy()
    now[[1, 2, 3, 0]] = was[:4]

    found = [told(random, was, now, rows) for _ in range(40)]
    assert found.count("encoding_swap") >= 28


@pytest.mark.parametrize(("rows", "most"), [(130, 0.08), (520, 0.03), (2400, 0.03)])
def test_one_category_that_becomes_anything_is_hardly_ever_taken_for_re_coded(rows: int, most: float) -> None:
    random = np.random.default_rng([9, rows])
    found, moved = 0, 0
    for _ in range(TRIALS):
        was = random.dirichlet(np.full(int(random.integers(3, 8)), 3))
        place, share = int(random.integers(was.size)), random.uniform(0.01, 0.8)
        now = was * (1 - share) / (1 - was[place])
        now[place] = share
        if np.abs(was - now).sum() / 2 >= 0.12:
            moved += 1
            found += told(random, was, now, rows) is not None

    assert moved > 200
    assert found <= most * moved


@pytest.mark.parametrize("rows", [300, 450, 900, 2400])
@pytest.mark.parametrize("factor", [2.0, 2.4, 3.0])
def test_one_group_that_has_grown_at_the_cost_of_all_others_is_a_mix_and_no_exchange(rows: int, factor: float) -> None:
    """Of any three to seven categories, by the detector and by the metric, and by the detector although the metric says so."""
    random, trials, found = np.random.default_rng([12, rows, round(10 * factor)]), 0, np.zeros(3)
    while trials < 250:
        was = random.dirichlet(np.full(int(random.integers(3, 8)), 3))
        place = int(random.integers(was.size))
        if not 0.06 < was[place] < 0.3:
            continue
        share = was[place] * factor
        grown = was * (1 - share) / (1 - was[place])
        grown[place] = share
        trials += 1
        one, two = look(random, was, 10_500), look(random, grown, rows)
        measured = {"category_permutation": Measured(1.0)}
        found += (
            encoding_swap(Evidence(two, one)) is not None,
            exchanged(dict(one.items), dict(two.items)) is not None,
            encoding_swap(Evidence(two, one, quality=measured)) is not None,
        )

    assert (found <= 0.02 * trials).all(), found


def test_shares_that_look_exchanged_by_rank_where_the_least_of_three_has_tripled_are_a_mix() -> None:
    random, was = np.random.default_rng(2), np.array([0.55, 0.28, 0.17])
    now = np.array([0.325, 0.165, 0.51])
    for rows in (300, 500, 1500):
        assert [told(random, was, now, rows) for _ in range(60)].count("encoding_swap") <= 2


@pytest.mark.parametrize("many", [3, 5, 9])
def test_names_that_all_are_others_are_no_group_that_has_grown(many: int) -> None:
    random = np.random.default_rng(many)
    one, two = (look(random, random.dirichlet(np.full(many, 3)), rows) for rows in (10_500, 900))
    renamed = Look(count=two.count, distinct=two.distinct, items={f"other {name}": rows for name, rows in one.items.items()})
    finding = encoding_swap(Evidence(replace(renamed, count=one.count), one))

    assert finding is not None
    assert finding.what == "its categories have other names"
