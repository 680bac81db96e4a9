"""The versions that served in each window against the registry's aliases, by every look at these that the ledger remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.kernel.pipeline_values import Value
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.aliases import CUSTOMARY, NOT_SET, Named, Served, Sighting, absent, named_in, served, without_alias
from spark_monitor.operations.registered import Registered
from spark_monitor.stages.context import Run
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from spark_monitor.config.pipelines import PipelinesConfig
    from spark_monitor.kernel.plan import WindowKey

log = log_of(__name__)


@dataclass(frozen=True)
class Registry:
    """What can be asked of a registry: what it knows of versions, by their numbers, and what its aliases name now."""

    versions: Callable[[Iterable[str]], Mapping[str, Registered]]
    aliases: Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class ServedVersions:
    """The looks at the aliases, in order, and those of the aliases that may serve; ``why`` there is none, where there is none."""

    aliases: tuple[str, ...] = CUSTOMARY
    written: bool = False
    sightings: Sequence[Sighting] = ()
    why: str | None = None

    def named(self, window: WindowKey) -> list[Named]:
        """What each alias named about a window."""
        return [named_in(alias, self.sightings, window.start, window.end) for alias in self.aliases]

    def of(self, window: WindowKey, version: str, registered: Registered) -> Value:
        """Whether a registered version is one that should serve in a window."""
        if self.why is not None:
            return Value(None, self.why, "ERROR")
        named = self.named(window)
        if self.written or any(name != NOT_SET for one in self.sightings for name in one.versions.values()):
            mismatch = served(version, named, written=self.written)
        else:
            mismatch = Served(0.0, without_alias(named))
        shown = {f"alias.{one.alias}": ", ".join(one.versions) for one in named if one.versions}
        status = UNDEFINED if mismatch.mismatch is None else None
        return Value(mismatch.mismatch, mismatch.message, status, details={**shown, **registered.origin})

    def absent(self, window: WindowKey, versions: Sequence[str]) -> tuple[str, Value] | None:
        """The version that must serve and made no prediction in a window, and its message."""
        first = self.named(window)[0]
        mismatch = absent(first, versions)
        if mismatch is None or first.steady is None:
            return None
        return first.steady, Value(mismatch.mismatch, mismatch.message, details={f"alias.{first.alias}": first.steady})


def served_versions(run: Run, section: PipelinesConfig, registry: Registry | None) -> ServedVersions:
    """Look the aliases up, note in the run's row of the ledger what they name, and remember what runs before have noted.

    A look is one at the run's as-of timestamp. That of a run that pretends to be before others which have looked tells nothing.
    """
    aliases = section.alias or CUSTOMARY
    written = bool(section.alias)
    if registry is None:
        return ServedVersions(aliases, written)
    try:
        now = registry.aliases()
    except Exception as error:  # the registry's own troubles cost nothing else
        return ServedVersions(aliases, written, why=f"The registry could not be read: {first_line(error)}")
    seen = {alias: now.get(alias, NOT_SET) for alias in aliases}
    run.source_versions |= {_key(run, alias): version for alias, version in seen.items()}
    noted, at = _noted(run, aliases), micros(run.as_of)
    is_newest = not noted or noted[-1].at <= at
    return ServedVersions(aliases, written, [*noted, Sighting(at, seen)] if is_newest else noted)


def _key(run: Run, alias: str) -> str:
    """How the ledger names an alias among the sources that a run read: as MLflow does."""
    return f"models:/{run.config.model.name}@{alias}"


def _noted(run: Run, aliases: Sequence[str]) -> list[Sighting]:
    """What runs before have noted of the aliases, in order; of looks alike in a row the first and the last."""
    keys = {alias: _key(run, alias) for alias in aliases}
    looked = run.store.frame("runs").where((F.col("monitor_id") == run.monitor_id) & (F.col("run_id") != run.run_id))
    columns = {f"alias_{place}": F.try_element_at("source_versions", F.lit(keys[alias])) for place, alias in enumerate(aliases)}
    each = looked.where("started IS NOT NULL AND as_of IS NOT NULL").select(
        F.unix_micros("as_of").alias("at"),
        *("started", "monitor_id", "run_id"),
        *(column.alias(name) for name, column in columns.items()),
    )
    sighted = each.where(" OR ".join(f"{name} IS NOT NULL" for name in columns))
    newest = "max(at) OVER (PARTITION BY monitor_id ORDER BY started, run_id ROWS UNBOUNDED PRECEDING)"
    sighted = sighted.selectExpr("*", f"{newest} AS newest").where("at = newest")
    order = "OVER (PARTITION BY monitor_id ORDER BY at, run_id)"
    same = " AND ".join(f"{name} <=> lag({name}) {order} AND {name} <=> lead({name}) {order}" for name in columns)
    ends = f"lag(at) {order} IS NULL OR lead(at) {order} IS NULL"
    rows = sighted.selectExpr("*", f"({same}) AND NOT ({ends}) AS within").where("NOT within").orderBy("at", "run_id").collect()
    return [
        Sighting(
            row["at"],
            {alias: row[f"alias_{place}"] for place, alias in enumerate(aliases) if row[f"alias_{place}"] is not None},
        )
        for row in rows
    ]
