"""The registered model of each version that made predictions, against the prediction table and the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import distributions
from platform import python_version
from typing import TYPE_CHECKING, Any

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, MEASUREMENT_SCHEMA
from spark_monitor.kernel.pipeline_values import Value, value_rows
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.registered import PYTHON, Registered, dependency_problems, requirements_compared, signature_problems
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.sources.tables import open_table
from spark_monitor.stages.context import Run
from spark_monitor.stages.lost_predictions import prediction_counts
from spark_monitor.stages.served_versions import Registry, ServedVersions
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.pipelines import PipelinesConfig

MOST_PACKAGES = 10_000
NAMED = 5
SERVED = "served_version_mismatch"
METRICS = ("signature_mismatches", "dependency_mismatches", SERVED)


def remembered(registry: Registry) -> Registry:
    """A registry that is asked once for each version."""
    by_version: dict[str, Registered | None] = {}

    def ask(versions: Iterable[str]) -> Mapping[str, Registered]:
        wanted = list(versions)
        new = [version for version in wanted if version not in by_version]
        fetched = registry.versions(new) if new else {}
        by_version.update({version: fetched.get(version) for version in new})
        return {version: registered for version in wanted if (registered := by_version[version]) is not None}

    return replace(registry, versions=ask)


def registered_frame(
    run: Run, section: PipelinesConfig, windows: Sequence[DueWindow], registry: Registry | None, by_alias: ServedVersions
) -> DataFrame | None:
    """A row for each window, version and question; None where no version is known. Versions come to the driver."""
    counted = prediction_counts(run, windows).where("model_version IS NOT NULL AND predictions > 0")
    served = counted.select("granularity", "start", "end", "model_version").distinct().collect()
    if not served:
        return None
    versions = sorted({row["model_version"] for row in served})
    registered, values = _values(run, section, versions, registry)
    by_window: dict[WindowKey, list[str]] = {}
    for row in sorted(served):
        by_window.setdefault(WindowKey(row["granularity"], row["start"], row["end"]), []).append(row["model_version"])
    rows: list[dict[str, Any]] = []
    for window, there in by_window.items():
        for version in there:
            of_alias = {SERVED: by_alias.of(window, version, registered[version])} if version in registered else {}
            rows += value_rows(window, TABLE_ROW, {**values[version], **of_alias}, version)
        absent = by_alias.absent(window, there)
        rows += value_rows(window, TABLE_ROW, {SERVED: absent[1]}, absent[0]) if absent is not None else []
    return local_frame(run.spark, [measurement_tuple(row) for row in rows], MEASUREMENT_DDL)


def measurement_tuple(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A row as Spark takes it: the pairs of its details as a map."""
    return tuple(dict(row[name] or []) if name == "details" else row[name] for name in MEASUREMENT_SCHEMA.names)


def _values(
    run: Run, section: PipelinesConfig, versions: Sequence[str], registry: Registry | None
) -> tuple[Mapping[str, Registered], dict[str, dict[str, Value]]]:
    """The versions that are registered, and the message of every version, without the aliases of those."""
    if registry is None:
        why = "No registry is known: the file has no outputs.mlflow."
        return {}, {version: {name: Value(None, why, UNDEFINED) for name in METRICS} for version in versions}
    try:
        registered = registry.versions(versions)
    except Exception as error:  # the registry's own troubles cost nothing else
        why = f"The registry could not be read: {first_line(error)}"
        return {}, {version: {name: Value(None, why, "ERROR") for name in METRICS} for version in versions}
    frame = read_source(run.spark, run.config.predictions)
    columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    installed, whose = _environment(run, section)
    return registered, {one: _of_version(one, registered.get(one), columns, installed, whose) for one in versions}


def _environment(run: Run, section: PipelinesConfig) -> tuple[dict[str, str], str]:
    """The installed packages that a table lists, else those that this monitor runs with, and a word on which these are."""
    if section.environment is None:
        installed = {str(one.metadata["Name"]): one.version for one in distributions() if one.metadata["Name"]}
        return {**installed, PYTHON: python_version()}, "the environment that this monitor runs in"
    listed = open_table(run.spark, section.environment).selectExpr("CAST(name AS STRING)", "CAST(version AS STRING)")
    rows = listed.where("name IS NOT NULL AND version IS NOT NULL").limit(MOST_PACKAGES).collect()
    return {row["name"]: row["version"] for row in rows}, section.environment.text


def _of_version(
    version: str, registered: Registered | None, columns: Mapping[str, str], installed: Mapping[str, str], whose: str
) -> dict[str, Value]:
    if registered is None:
        message = f"Version {version} made predictions and is not registered."
        unknown = {name: Value(None, message, UNDEFINED) for name in METRICS[:2]}
        return {**unknown, SERVED: Value(1.0, message)}
    signature, packages = signature_problems(registered, columns), dependency_problems(registered, installed)
    return {
        "signature_mismatches": _counted(signature, len(registered.inputs), "The model has no signature with named columns."),
        "dependency_mismatches": _counted(
            packages, requirements_compared(registered, installed), "The model lists no requirements.", f"Compared with {whose}."
        ),
    }


def _counted(problems: Sequence[str], of: int, nothing: str, aside: str = "") -> Value:
    if not of:
        return Value(None, nothing, UNDEFINED, 0)
    more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    summary = f"{'; '.join(problems[:NAMED])}{more}." if problems else ""
    message = " ".join(part for part in (summary, aside) if part) or None
    return Value(float(len(problems)), message, None, of, {"problems": "; ".join(problems)} if problems else {})
