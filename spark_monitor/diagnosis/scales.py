"""Values in another scale: what a change of unit is called, as single values or the shape of a distribution tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeGuard

from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.known_units import unit_name
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.mixtures import began_within
from spark_monitor.diagnosis.moments import FAR, by_moments, is_of_all
from spark_monitor.diagnosis.quantities import is_of_quantity, units_of
from spark_monitor.diagnosis.seasons import is_denied, of_season
from spark_monitor.diagnosis.signs import is_mirrored
from spark_monitor.diagnosis.steadiness import is_steady
from spark_monitor.diagnosis.units import LEAST_CHANGE, SIGN, UNKNOWN_CHANGE, Fit, unit_fit
from spark_monitor.text.formatting import number

LEAST_ROWS: Final = 30
"""Of fewer rows no change of unit is read: small slices are where it is rarest, and the noise of so few is allowed for."""


ZEROS, FEW_ZEROS = 3.0, 0.005
"""The share of zeros may differ by so many standard errors, and so much."""


def unit_change(evidence: Evidence) -> Finding | None:
    """All values are those of before times a factor."""
    now, measured = evidence.now, evidence.quality.get("unit_factor")
    if now is not None and len(now.quantiles) == 101:
        fit = change_of(evidence)
        return None if fit is None else of_fit(fit, evidence.name)
    if measured is None:
        return None
    if "factor" in measured.details:
        factor, offset = (float(measured.details.get(key, "0")) for key in ("factor", "offset"))
        return of_fit(Fit(factor, offset, name=measured.details.get("known")), evidence.name)
    return of_fit(Fit(measured.value, name=unit_name(measured.value)), evidence.name) if is_unit(measured.value) else None


def change_of(evidence: Evidence) -> Fit | None:
    """The change from the window before, else from the baseline; none that zeros contradict, which are zero in every unit."""
    fit = _change_of(evidence)
    if fit is None or fit.exact or fit.offset or fit.factor <= 0 or evidence.now is None or evidence.baseline is None:
        return fit
    return fit if _has_its_zeros(fit.factor, evidence.baseline, evidence.now) else None


def _has_its_zeros(factor: float, was: Look, now: Look) -> bool:
    """Whether as many values are zero as a change of scale leaves: all that were, and by a factor below 1 those rounded to it.

    >>> dry, wet = Look(count=9000, items={"0": 3600}), Look(count=900, items={"0": 260})
    >>> _has_its_zeros(1.6, dry, wet), _has_its_zeros(1.6, dry, Look(count=900, items={"0": 350}))
    (False, True)
    """
    if not was.filled or not now.filled:
        return True
    before, here = was.share("0"), now.share("0")
    pooled = (before * was.filled + here * now.filled) / (was.filled + now.filled)
    reach = ZEROS * math.sqrt(pooled * (1 - pooled) * (1 / was.filled + 1 / now.filled)) + FEW_ZEROS
    return before - here <= reach and (factor < 1 or here - before <= reach)


def _change_of(evidence: Evidence) -> Fit | None:
    """The change from the window before, else from the baseline."""
    now = evidence.now
    if not _has_shape(now):
        return None
    looks = [look for look in (evidence.before, evidence.baseline) if _has_shape(look)]
    atoms = {value: rows for look in reversed(looks) for value, rows in look.atoms.items()}
    fits = [
        unit_fit(was.quantiles, now.quantiles, atoms_before=atoms, atoms=now.atoms, rows=(was.filled, now.filled))
        for was in looks
    ]
    exact = next((fit for fit in fits if fit is not None and fit.exact), None)
    if exact is not None or not fits:
        return exact
    expected = of_season(evidence)
    if expected is not None:
        return expected
    agreed = _agreed(fits, looks, evidence)
    if agreed is not None and agreed.name is not None and 1 / FAR < abs(agreed.factor) < FAR:
        return agreed
    far = by_moments(looks[-1], now)
    if far is not None and far.offset and not _begins(far, looks, evidence):
        far = None
    if far is None and agreed is None and is_mirrored(looks[-1], now):
        return SIGN
    return agreed if far is None and agreed is not None and is_of_all(agreed.factor, looks[-1], now) else far


def _agreed(fits: Sequence[Fit | None], looks: Sequence[Look], evidence: Evidence) -> Fit | None:
    """The change from the baseline. As a shape may fit by chance, it must fit what was before as well, where that has changed;
    or the change began within the window before, which holds values of both kinds.
    """
    from_baseline = fits[-1]
    if from_baseline is not None and is_denied(from_baseline, evidence):
        return None
    if from_baseline is None or fits[0] is not None or _begins(from_baseline, looks, evidence):
        return from_baseline
    return None


def _begins(fit: Fit, looks: Sequence[Look], evidence: Evidence) -> bool:
    """Whether a change from the baseline may have begun in this window or the one before, which was not on its way to it."""
    return len(looks) == 1 or is_steady(evidence) or began_within(fit, baseline=looks[-1], before=looks[0])


def _has_shape(look: Look | None) -> TypeGuard[Look]:
    return look is not None and len(look.quantiles) == 101 and look.filled >= LEAST_ROWS


def exact_unit(evidence: Evidence) -> Finding | None:
    """All values are those of before times a factor, as single values tell."""
    fit = change_of(evidence)
    return of_fit(fit, evidence.name) if fit is not None and fit.exact else None


def of_fit(fit: Fit, column: str = "") -> Finding:
    """What a change of unit is called; the column's name may say which units are meant.

    >>> rivals = ((2.2046226218, "kilograms to pounds"), (2.2369362921, "m/s to mph"))
    >>> of_fit(Fit(2.2369362921, name="m/s to mph, or kilograms to pounds", ratio=2.25, rivals=rivals), "weight_kg").what
    "values are about 2.205 times the baseline's"
    """
    if fit.factor == -1.0:
        return Finding("unit_change", "values have the opposite sign of the baseline's", "the sign is flipped", factor=-1.0)
    if fit.offset:
        offset = f"{'+' if fit.offset > 0 else '-'} {number(abs(fit.offset))}"
        what = f"values are {fit.factor:.4g} times the baseline's {offset}"
        return Finding("unit_change", what, f"another unit, {fit.name}", factor=fit.factor, evidence="quantiles")
    of_column = [(factor, name) for factor, name in fit.rivals if is_of_quantity(column, factor)]
    if len(of_column) == 1:
        factor, name = of_column[0]
        return scaled(factor, units_of(column, factor, name), factor)
    # Of a factor that so few rows do not tell from another, the name has the units of both.
    is_one = fit.ratio is None or fit.name is None or fit.name.startswith("perhaps ")
    return scaled(fit.factor, units_of(column, fit.factor, fit.name) if is_one else fit.name, fit.ratio)


def is_unit(factor: float) -> bool:
    """Whether a measured factor is worth the name: a known unit's, or so large that no drift is; factors near 1 fit every column.

    >>> is_unit(1.609344), is_unit(0.9931), is_unit(1.933), is_unit(250.0)
    (True, False, False, True)
    """
    if factor <= 0:
        return factor == -1.0
    change = max(factor, 1 / factor)
    return change >= UNKNOWN_CHANGE or (change >= LEAST_CHANGE and unit_name(factor) is not None)


def scaled(factor: float, name: str | None, ratio: float | None = None) -> Finding:
    """A change of unit by a factor; by about a ``ratio`` where that may be another known factor, or none.

    >>> scaled(1.609344, "miles to kilometres").what, scaled(3.6, "m/s to km/h, or metres to feet", 3.437).what
    ("values are 1.609 times the baseline's", "values are about 3.4 times the baseline's")
    """
    shown = f"another unit, {name}" if name else "another unit or scale"
    times = f"{factor:.4g}" if ratio is None else f"about {factor:.4g}" if ratio == factor else f"about {ratio:.2g}"
    return Finding("unit_change", f"values are {times} times the baseline's", shown, factor=factor, evidence="quantiles")


def is_only_likely(finding: Finding) -> bool:
    """Whether a factor is about a known one's, of so few rows that it may be another or none.

    >>> is_only_likely(scaled(60.0, "perhaps minutes to seconds", 60.0)), is_only_likely(scaled(60.0, "minutes to seconds"))
    (True, False)
    """
    return finding.kind == "unit_change" and finding.what.startswith("values are about ")
