"""Of final windows those calibrate that look like the window and agree with the newest: others are of another time or broken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from spark_monitor.errors import StateError
from spark_monitor.estimation.agreement import Final, calibrating, dispersion_among
from spark_monitor.estimation.calibration import calibrate
from spark_monitor.estimation.dispersion import score_steps
from spark_monitor.estimation.estimator import Estimator, estimated_rows, estimator
from spark_monitor.estimation.likeness import Profile, chance, distance, is_like, profile_of
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.recalibration import CALIBRATION, Recalibrating, Recalibration
from spark_monitor.kernel.scored_states import SCORE
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.named_arrays import NAMED, stored_arrays
from spark_monitor.states.scores import ScoreState, score_grid

DAY = 86_400_000_000
GRID = score_grid()
ROWS, HORIZON = 1500, 2


class Days:
    """Windows whose labels follow a hidden logit: those ``broken`` have other scores, labels of those ``turned`` follow less."""

    def __init__(self, broken: range = range(0), turned: range = range(0), seed: int = 1) -> None:
        self.broken, self.turned, self.random = broken, turned, np.random.default_rng(seed)
        self.rows = {day: self._drawn(day) for day in range(40)}

    def _drawn(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        hidden = self.random.normal(-0.5, 1.2, ROWS)
        labels = self.random.random(ROWS) < expit(hidden * (0.2 if day in self.turned else 1.0))
        return np.round(expit(hidden * 0.5 + 1.5 if day in self.broken else hidden), 4), labels

    def labelled(self, *days: int) -> ScoreState:
        """The labelled rows of days together."""
        state = ScoreState.empty(GRID)
        for day in days:
            state = state.update(self.rows[day][1], self.rows[day][0])
        return state

    def answers(self, day: int) -> ScoreState:
        """All answers of a day."""
        scores = self.rows[day][0]
        return ScoreState.empty(GRID).update(scores >= 0.5, scores)

    def known(self) -> Estimator:
        """What the first ten days say, which are the baseline."""
        known = estimator(1, self.labelled(*range(10)), windows=[self.labelled(day) for day in range(10)])
        assert known is not None
        return known

    def stored(self, *days: int) -> list[dict[str, Any]]:
        """Rows of both kinds of states, as they are stored."""
        kept = []
        for day in days:
            row = {"granularity": "1 day", "model_version": "1", "start": day * DAY, "end": (day + 1) * DAY, "labelled": ROWS}
            kept += [
                {**row, "kind": "score", "state": self.labelled(day)},
                {**row, "kind": "answers", "state": self.answers(day)},
            ]
        return kept

    def made(self, *asked: int) -> dict[int, Recalibration]:
        """The calibrations of the days that are asked for, in one run."""
        keys = tuple(WindowKey("1 day", day * DAY, (day + 1) * DAY) for day in asked)
        recalibrating = Recalibrating(keys, HORIZON * DAY, 12 * DAY, SCORE, GRID, self.known())
        rows = self.stored(*range(10, max(asked) + 1))
        states = pa.StructArray.from_arrays(stored_arrays([row["state"].to_bytes() for row in rows]), fields=[*NAMED])
        given = pa.RecordBatch.from_pylist([{name: one for name, one in row.items() if name != "state"} for row in rows])
        spread = [row for batch in recalibrating.spread([given.append_column("state", states)]) for row in batch.to_pylist()]
        spread.sort(key=lambda row: (row["start"], -row["until"], -row["since"], row["answers"]))
        found = [row for batch in recalibrating.merge([pa.RecordBatch.from_pylist(spread)]) for row in batch.to_pylist()]
        return {row["start"] // DAY: Recalibration.from_bytes(SCORE, row[CALIBRATION], GRID) for row in found}

    def are_in(self, made: Recalibration, *days: int) -> bool:
        """Whether a calibration is made of the rows of these days."""
        known, state = self.labelled(*days), made.state
        assert isinstance(state, ScoreState)
        return bool((state.positives == known.positives).all() and (state.negatives == known.negatives).all())

    def held(self, day: int, made: Recalibration) -> tuple[bool, float]:
        """Whether the interval of the area under the curve holds what labels show, and its width."""
        rows = estimated_rows(self.answers(day), made.estimator(self.known()))
        found = next(row for row in rows if row["metric"] == "roc_auc_score")
        scores, labels = self.rows[day]
        return found["lower"] <= roc_auc_score(labels, scores) <= found["upper"], found["upper"] - found["lower"]


@pytest.mark.parametrize("last", [20, 22, 34])
def test_windows_with_a_broken_feature_do_not_calibrate_those_after_its_repair(last: int) -> None:
    days = Days(broken=range(20, last + 1))
    for day, made in days.made(last + 1, last + 3, last + 4).items():
        final = [one for one in range(max(day + 1 - HORIZON - 12, 10), day + 1 - HORIZON) if one not in days.broken]
        assert days.are_in(made, *final), (day, final)
        assert days.held(day, made)[0]


def test_a_fault_that_lasts_longer_than_windows_reach_leaves_the_baselines_calibration() -> None:
    assert Days(broken=range(18, 36)).made(36, 37) == {}


def test_a_concept_that_two_final_windows_show_is_followed_by_them_alone() -> None:
    days = Days(turned=range(20, 40))
    made = days.made(22, 24, 26)
    assert made[24].state.count == 3 * ROWS
    assert made[24].start // DAY == 20
    assert days.are_in(made[26], 20, 21, 22, 23, 24)
    assert [days.held(day, made[day])[0] for day in (24, 26)] == [True, True]
    # One final window that agrees with none may be the new concept or a fault: both are within the interval.
    assert made[22].state.count == 11 * ROWS
    assert days.held(22, made[22])[1] > 3 * days.held(26, made[26])[1]
    assert days.held(22, made[22])[0]


def test_one_window_of_other_labels_is_left_out_once_others_have_come() -> None:
    days = Days(turned=range(20, 21))
    made = days.made(23, 30)
    assert days.are_in(made[23], *range(10, 20), 21)
    assert made[30].state.count == 11 * ROWS
    assert all(days.held(day, one)[0] for day, one in made.items())


def test_a_backfill_finds_what_each_day_found() -> None:
    days = Days(broken=range(20, 23), turned=range(28, 30))
    together = days.made(*range(12, 36))
    assert sorted(together) == list(range(13, 36))
    for day in (13, 21, 24, 29, 31, 35):
        assert days.made(day)[day].to_bytes() == together[day].to_bytes()


def test_predictions_in_another_unit_calibrate_no_window_after() -> None:
    random = np.random.default_rng(3)

    def window(factor: float) -> CellErrorsState:
        truth = random.gamma(4.0, 5.0, ROWS)
        return CellErrorsState.empty((10.0, 20.0)).update(truth + random.normal(0, 2, ROWS), truth * factor, truth)

    baseline = [window(1.0) for _ in range(8)]
    whole = baseline[0]
    for one in baseline[1:]:
        whole = whole.merge(one)
    known = estimator(1, whole, windows=baseline)
    assert known is not None
    later = [window(3.6 if 2 <= place <= 4 else 1.0) for place in range(9)]
    finals = [Final(one, ROWS, profile_of(one)) for one in reversed(later)]
    kept = calibrating(finals, known, profile_of(window(1.0)))
    assert [finals.index(one) for one in kept] == [0, 1, 2, 3, 7, 8]
    # The newest ones alone are broken: a window that is not has the baseline's calibration where no others are in reach.
    assert calibrating([Final(one, ROWS, profile_of(one)) for one in later[2:5]], known, profile_of(window(1.0))) == []
    # Errors that are all alike say no more of how windows differ than the baseline does.
    assert dispersion_among(kept[:3], known) == known.dispersion
    known_mean, known_deviation = np.mean(truth := random.normal(5, 2, 100)), truth.std()
    profile = profile_of(CellErrorsState.empty((0.0,)).update(np.full(100, np.nan), truth))
    assert profile is not None
    assert (profile.mean, profile.deviation) == pytest.approx((known_mean, known_deviation))


def test_scores_are_apart_as_scipy_says() -> None:
    random = np.random.default_rng(4)
    one, other = (np.round(random.beta(2, b, 800), 2) for b in (2.0, 2.6))
    profiles = [profile_of(ScoreState.empty(GRID).update(scores > 2, scores)) for scores in (one, other)]
    assert profiles[0] is not None
    assert profiles[1] is not None
    assert distance(*profiles) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
    # About once in a hundred times two samples of one distribution are further apart than chance is said to bring them.
    beyond = 0
    for _ in range(2000):
        first, second = random.random(300), random.random(200)
        beyond += ks_2samp(first, second).statistic > chance(Profile(300), Profile(200))
    assert beyond <= 35


def test_what_does_not_tell_is_taken_for_alike() -> None:
    old = CellErrorsState.empty((0.0,)).update(np.zeros(3), np.ones(3))
    stored_before = CellErrorsState(old.edges, old.rows, old.labelled, old.sums, np.full(2, np.nan))
    assert profile_of(stored_before) is None
    assert profile_of(stored_before.merge(old)) is None
    assert is_like(None, Profile(10, None, 5.0, 1.0), None)


def test_steps_are_near_what_a_logistic_regression_finds() -> None:
    random = np.random.default_rng(5)
    scores = np.round(random.beta(2, 3, 60_000), 2).clip(0.01, 0.99)
    calibration = calibrate(ScoreState.empty(GRID).update(random.random(60_000) < scores, scores), replicates=1)
    assert calibration is not None
    odds = logit(scores)
    labels = random.random(60_000) < expit(odds * 0.9 + 0.1)
    shift, slope = score_steps(ScoreState.empty(GRID).update(labels, scores), calibration)
    assert shift is not None
    assert slope is not None
    weights = scores * (1 - scores)
    center = np.average(odds, weights=weights)
    fitted = LogisticRegression(C=1e9).fit((odds - center)[:, None], labels)
    assert shift[0] == pytest.approx(fitted.intercept_[0] - center, abs=0.03)
    assert slope[0] == pytest.approx(fitted.coef_[0, 0] - 1, abs=0.03)
    assert shift[1] == pytest.approx(1 / weights.sum(), rel=0.05)
    assert slope[1] == pytest.approx(1 / np.dot(weights, np.square(odds - center)), rel=0.05)


def test_stored_deviations_that_are_not_whole_are_refused() -> None:
    days = Days()
    made = days.made(24)[24]
    data = made.to_bytes()
    again = Recalibration.from_bytes(SCORE, data, GRID)
    assert (again.dispersion, again.start, again.end) == (made.dispersion, made.start, made.end)
    for broken in (data[:24], data[:16] + b"\xff\xff\xff\xff" + data[20:]):
        with pytest.raises(StateError, match="too few"):
            Recalibration.from_bytes(SCORE, broken, GRID)
