"""Whether a column came in another unit: the factor by which its values are the baseline's, where one fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import quality_metric
from spark_monitor.quality.column_block import NO_BASELINE, NOT_MEANT, UNDEFINED, ColumnBlock, statuses, with_status

LEVELS: Final = np.arange(2, 99)
"""The percentiles that are compared: the outermost say more of single values than of a unit."""

LEAST_DISTINCT = 10
LEAST_ROWS = 30
TOLERANCE = 0.1
"""A factor fits where what it leaves is below a tenth of the spread, beside the noise of both samples."""

MIRRORED: Final = TOLERANCE / 3
OTHER_SCALE: Final = 1.5
"""What a flipped sign may leave beside noise; a negative factor that is so many times 1, or more, is of another scale too."""

NOISE = 2.0
Z_WIDE = 3.0
"""A known factor is named where it lies within three standard errors: names are few, and drift moves the estimate."""

NEXT_TO_NOTHING = 0.02
"""Percentiles below this part of the largest have no ratio that says anything."""

NEAR, TOGETHER, BOTH_SIGNS = 3, 0.92, 0.9
"""The levels on both sides from which a slope is taken; what the median of all ratios errs beside one; what both signs save."""

IMPROVEMENT = 0.5
"""A known unit, or an offset, is named where it leaves at most half of what no change at all leaves."""

KNOWN_FACTORS: Final = (
    (1.609344, "miles to kilometres (mph to km/h)"),
    (1 / 1.609344, "kilometres to miles (km/h to mph)"),
    (0.44704, "mph to m/s"),
    (1 / 0.44704, "m/s to mph"),
    (3.6, "m/s to km/h"),
    (1 / 3.6, "km/h to m/s"),
    (1.852, "knots to km/h"),
    (1 / 1.852, "km/h to knots"),
    (1.150779, "knots to mph"),
    (1 / 1.150779, "mph to knots"),
    (0.3048, "feet to metres"),
    (1 / 0.3048, "metres to feet"),
    (2.54, "inches to centimetres"),
    (1 / 2.54, "centimetres to inches"),
    (25.4, "inches to millimetres"),
    (1 / 25.4, "millimetres to inches"),
    (0.45359237, "pounds to kilograms"),
    (1 / 0.45359237, "kilograms to pounds"),
    (28.349523125, "ounces to grams"),
    (1 / 28.349523125, "grams to ounces"),
    (3.785411784, "US gallons to litres"),
    (1 / 3.785411784, "litres to US gallons"),
    (33.8638866, "inches of mercury to hPa"),
    (1 / 33.8638866, "hPa to inches of mercury"),
    (4.184, "calories to joules"),
    (1 / 4.184, "joules to calories"),
    (1e3, "thousands (s to ms, kg to g, km to m)"),
    (1e-3, "thousandths (ms to s, g to kg, m to km)"),
    (1e6, "millions (s to us, MB to bytes)"),
    (1e-6, "millionths (us to s, bytes to MB)"),
    (1e9, "thousand millions (s to ns)"),
    (1e-9, "thousand millionths (ns to s)"),
    (1024.0, "binary thousands (KiB to bytes)"),
    (1 / 1024.0, "binary thousandths (bytes to KiB)"),
    (100.0, "hundreds (euros to cents, fractions to percent, m to cm)"),
    (0.01, "hundredths (cents to euros, percent to fractions, cm to m)"),
    (10.0, "tens (cm to mm)"),
    (0.1, "tenths (mm to cm)"),
    (60.0, "hours to minutes, minutes to seconds"),
    (1 / 60.0, "minutes to hours, seconds to minutes"),
    (3600.0, "hours to seconds"),
    (1 / 3600.0, "seconds to hours"),
    (24.0, "days to hours"),
    (1 / 24.0, "hours to days"),
    (86_400.0, "days to seconds"),
    (1 / 86_400.0, "seconds to days"),
    (180 / np.pi, "radians to degrees"),
    (np.pi / 180, "degrees to radians"),
    (-1.0, "sign flipped"),
)
KNOWN_OFFSETS: Final = (
    (1.8, 32.0, "degrees Celsius to Fahrenheit"),
    (1 / 1.8, -32 / 1.8, "degrees Fahrenheit to Celsius"),
    (1.0, 273.15, "degrees Celsius to kelvin"),
    (1.0, -273.15, "kelvin to degrees Celsius"),
)


@dataclass(frozen=True)
class Fit:
    """current = factor x baseline + offset; what is left of their distance, in the baseline's spread times the factor."""

    factor: Floats
    offset: Floats
    left: Floats


@quality_metric("unit_factor", columns=("numeric",), worse="both")
def unit_factor(current: ColumnBlock, baseline: ColumnBlock | None = None) -> Interval:
    """The k for which current = k x baseline fits; 1 without any change, NULL where no factor fits.

    k is the median of the ratios of the 2nd to the 98th percentile (of the mirrored ones for a negative k, where these fit
    better). It fits where the mean distance of the percentiles to k times the baseline's (Wasserstein-1), in k times the
    baseline's standard deviation, is at most 0.1 + 2 sqrt(1/n + 1/m). The interval is the sampling error of log |k|; where 1 fits
    as well as a negative k, of values around zero, it holds both. Details name a ``known`` unit, or an ``offset`` (1.8 x + 32)
    where no factor fits.
    """
    size = len(current)
    status, message = statuses(size)
    status[~current.numeric | current.is_time] = NOT_MEANT
    nothing = np.full(size, np.nan)
    if baseline is None:
        status[status == "OK"] = NO_BASELINE
        message[status == NO_BASELINE] = "There is no baseline to compare with."
        return with_status(nothing, nothing, nothing, status, message, current.present)
    _say_what_is_undefined(current, baseline, status, message)
    before, now = baseline.quantiles[:, LEVELS], current.quantiles[:, LEVELS]
    spread = np.where(baseline.stddev > 0, baseline.stddev, np.nan)
    with np.errstate(all="ignore"):
        fit, same, noise = scaled(before, now, spread), left_of(before, now, 1.0, 0.0, spread), noise_of(current, baseline)
        relative = relative_error(current, baseline)
        reach = np.exp(1.959963984540054 * relative)
        ends = fit.factor / reach, fit.factor * reach
        allowed = TOLERANCE + noise
        fits = (fit.left <= allowed) & ~_only_moved(fit.factor, before, now, spread, noise)
        either = (fit.factor < 0) & (same <= allowed)  # no change fits as well: of values around zero the sign is not certain
        lower, upper = np.fmin(*ends), np.where(either, np.fmax(np.fmax(*ends), reach), np.fmax(*ends))
        offset = known_offset(before, now, spread)
    bad = (status == "OK") & ~fits
    status[bad], message[bad] = UNDEFINED, "No factor fits: the values are not the baseline's in another unit."
    details = [
        _details(fit, same, offset, (relative, allowed), place) if status[place] in ("OK", UNDEFINED) else None
        for place in range(size)
    ]
    return with_status(fit.factor, lower, upper, status, message, current.present, details)


def _only_moved(factor: Floats, before: Floats, now: Floats, spread: Floats, noise: Floats) -> npt.NDArray[np.bool_]:
    """Whether values around zero lie on its other side without being the baseline's, mirrored: an hour or a season moves them so.

    A flipped sign puts every percentile where its mirror image was, but for noise; the tolerance that other factors have, which
    drift uses up, would take every mean that passes through zero for a flipped sign.
    """
    is_flip = (factor < 0) & (np.abs(np.log(np.abs(factor))) < np.log(OTHER_SCALE))
    left = left_of(-before[:, ::-1], now, 1.0, 0.0, spread)
    return np.asarray(is_flip & ~(left <= noise + MIRRORED), dtype=np.bool_)


def _say_what_is_undefined(current: ColumnBlock, baseline: ColumnBlock, status: np.ndarray, message: np.ndarray) -> None:
    meant = status == "OK"
    lacking = meant & (baseline.present == 0)
    status[lacking], message[lacking] = NO_BASELINE, "The baseline has no value of this column."
    # A stuck or emptied column has no unit, and of few different values any factor would fit.
    few = meant & ~lacking & (np.fmin(current.distinct_count, baseline.distinct_count) < LEAST_DISTINCT)
    status[few], message[few] = UNDEFINED, f"Fewer than {LEAST_DISTINCT} different values do not tell a unit."
    rows = meant & ~lacking & (np.minimum(current.present, baseline.present) < LEAST_ROWS)
    status[rows], message[rows] = UNDEFINED, f"Fewer than {LEAST_ROWS} values do not tell a unit."


def scaled(before: Floats, now: Floats, spread: Floats) -> Fit:
    """The better of the positive and the negative factor of percentiles, float64[S, levels]."""
    size = np.nanmax(np.abs(before), axis=1, initial=0.0)[:, None]
    plain = _median_ratio(before, now, size)
    mirrored = -before[:, ::-1]
    flipped = _median_ratio(mirrored, now, size)
    left = left_of(before, now, plain, 0.0, spread), left_of(mirrored, now, flipped, 0.0, spread)
    negative = ~(left[0] <= left[1] + TOLERANCE / 2) & np.isfinite(left[1])
    return Fit(np.where(negative, -flipped, plain), np.zeros(len(plain)), np.where(negative, left[1], left[0]))


def _median_ratio(before: Floats, now: Floats, size: Floats) -> Floats:
    """The median ratio where the baseline's percentile is not next to nothing."""
    ratio = np.where(np.abs(before) > NEXT_TO_NOTHING * size, now / before, np.nan)
    has_ratio = np.isfinite(ratio).any(axis=1)
    medians = np.full(len(ratio), np.nan)
    if has_ratio.any():
        medians[has_ratio] = np.nanmedian(np.where(np.isfinite(ratio[has_ratio]), ratio[has_ratio], np.nan), axis=1)
    return np.where(medians > 0, medians, np.nan)


def left_of(before: Floats, now: Floats, factor: Floats | float, offset: Floats | float, spread: Floats) -> Floats:
    """The mean distance of percentiles to factor x before + offset, in factor x spread."""
    k, b = np.broadcast_to(factor, len(before)), np.broadcast_to(offset, len(before))
    return np.asarray(np.abs(now - k[:, None] * before - b[:, None]).mean(axis=1) / (np.abs(k) * spread))


def noise_of(current: ColumnBlock, baseline: ColumnBlock) -> Floats:
    """What two samples of one population leave, about."""
    return np.asarray(NOISE * np.sqrt(1 / np.maximum(current.present, 1) + 1 / np.maximum(baseline.present, 1)))


def relative_error(current: ColumnBlock, baseline: ColumnBlock) -> Floats:
    """The standard error of log |k|: of the median of 97 ratios of percentiles, which move together.

    One ratio at level p has the standard error |Q'(p) / Q(p)| sqrt(p (1 - p)) sqrt(1/n + 1/m). Their median's is ``TOGETHER``
    times the middle one's, and less where percentiles of both signs stand: these err in opposite directions. Simulated over
    twelve shapes at 50 to 5,000 rows (tests/unit/test_unit_factor_simulated.py).
    """
    full = baseline.quantiles
    low, high = np.maximum(LEVELS - NEAR, LEVELS[0]), np.minimum(LEVELS + NEAR, LEVELS[-1])
    levels = full[:, LEVELS]
    usable = np.abs(levels) > NEXT_TO_NOTHING * np.nanmax(np.abs(levels), axis=1, initial=0.0)[:, None]
    slope = (full[:, high] - full[:, low]) / ((high - low) / 100)
    one = np.where(usable, np.abs(slope / levels) * np.sqrt(LEVELS / 100 * (1 - LEVELS / 100)), np.nan)
    middle = np.full(len(one), np.nan)
    there = np.isfinite(one).any(axis=1)
    if there.any():
        middle[there] = np.nanmedian(np.where(np.isfinite(one[there]), one[there], np.nan), axis=1)
    minus = (usable & (levels < 0)).sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
    apart = 1 - BOTH_SIGNS * np.minimum(minus, 1 - minus)
    rows = np.sqrt(1 / np.maximum(current.present, 1) + 1 / np.maximum(baseline.present, 1))
    return np.asarray(TOGETHER * apart * middle * rows)


def known_offset(before: Floats, now: Floats, spread: Floats) -> tuple[Floats, np.ndarray]:
    """Of the known changes of scale that have an offset, the one that leaves least, and what it leaves."""
    left = np.array([left_of(before, now, factor, offset, spread) for factor, offset, _ in KNOWN_OFFSETS])
    left = np.where(np.isnan(left), np.inf, left)
    best = left.argmin(axis=0)
    return left[best, np.arange(left.shape[1])], best


def _details(
    fit: Fit, same: Floats, offset: tuple[Floats, np.ndarray], errors: tuple[Floats, Floats], place: int
) -> dict[str, str] | None:
    """What unit it is, as far as it is known."""
    factor, left = float(fit.factor[place]), float(fit.left[place])
    unchanged, relative, allowed = float(same[place]), float(errors[0][place]), float(errors[1][place])
    if offset[0][place] <= min(allowed, IMPROVEMENT * unchanged) and not left <= offset[0][place]:
        scale, shift, name = KNOWN_OFFSETS[int(offset[1][place])]
        return {"known": name, "factor": f"{scale:.6g}", "offset": f"{shift:.6g}"}
    if not np.isfinite(factor) or not left <= min(allowed, IMPROVEMENT * unchanged):
        return None
    reach = max(Z_WIDE * relative, 1e-3)
    near = [(abs(factor / exact - 1), name, exact) for exact, name in KNOWN_FACTORS if abs(factor / exact - 1) <= reach]
    return {"known": min(near)[1], "factor": f"{min(near)[2]:.6g}"} if near and abs(factor - 1) > reach else None
