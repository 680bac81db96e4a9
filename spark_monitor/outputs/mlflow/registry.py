"""A registered model version in MLflow: tags that say how it does, and the block in its description. Written only on change."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from spark_monitor.insight.facts import Facts, VersionFacts
from spark_monitor.outputs.mlflow.client import is_absent, open_client
from spark_monitor.outputs.mlflow.markdown import block, with_block

if TYPE_CHECKING:
    from mlflow import MlflowClient

STATUS_TAG, RUN_TAG, VERSION_TAG = "monitoring.status", "monitoring.run", "monitoring.registered_version"
_LOGGED_MODEL = re.compile(r"models:/(m-[^/@]+)/?")


def registered_version(client: MlflowClient, name: str, version: str | None) -> Any | None:
    """The registered model version, or None where there is no such model or version; versions are numbers in MLflow."""
    if version is None or not (version.isascii() and version.isdigit()):
        return None
    return if_there(lambda: client.get_model_version(name, version))


def logged_model_id(client: MlflowClient, registered: Any | None, linked: str | None) -> str | None:
    """The logged model that a registered version was made from, if this server has it.

    Databricks says its id; MLflow's own database keeps it only as the version's source, ``models:/<id>``. The ``linked`` one is
    not looked up: MLflow would send all of its points along.
    """
    named = _LOGGED_MODEL.fullmatch(getattr(registered, "source", None) or "")
    model_id = getattr(registered, "model_id", None) or (named and named[1])
    if not model_id or (model_id != linked and if_there(lambda: client.get_logged_model(model_id)) is None):
        return None
    return str(model_id)


def describe_version(
    client: MlflowClient, registered: Any, facts: Facts, version: VersionFacts, run: Any, report: str | None
) -> None:
    """Say in the registry how a version does: tags, and the block between its markers, which leads to the run and its report."""
    for key, value in {**version_tags(version), RUN_TAG: run.info.run_id}.items():
        if (registered.tags or {}).get(key) != value:
            client.set_model_version_tag(registered.name, registered.version, key, value)
    description = with_block(registered.description, f"{block(version, facts)}\n\n{_course(run, report)}")
    if description != (registered.description or ""):
        client.update_model_version(registered.name, registered.version, description)


def describe_model(client: MlflowClient, name: str, facts: Facts) -> None:
    """Say of a registered model how it does, in one tag."""
    if (client.get_registered_model(name).tags or {}).get(STATUS_TAG) != facts.status:
        client.set_registered_model_tag(name, STATUS_TAG, facts.status)


def _course(run: Any, report: str | None) -> str:
    """Where every number is window by window: the page of the version's run, and the report among its artifacts."""
    page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    among = f"; its artifacts hold the report, `{report}`" if report is not None else ""
    return f"Window by window: [the run of this version]({page}){among}."


def version_tags(version: VersionFacts) -> dict[str, str]:
    """The tags of a registered model version."""
    return {
        STATUS_TAG: version.status,
        "monitoring.last_window": version.window.text,
        "monitoring.incidents": str(version.open_incidents),
    }


def if_there(get: Callable[[], Any]) -> Any | None:
    """What is asked for; None where the server says that it does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return get()
    except MlflowException as error:
        if is_absent(error):
            return None
        raise


def change_version(tracking_uri: str, name: str, version: str | None, *, tags: Mapping[str, str], alias: str | None) -> None:
    """Tag a registered model version, or point an alias at it; LookupError where there is no such version."""
    with open_client(tracking_uri) as client:
        registered = registered_version(client, name, version)
        if registered is None:
            raise LookupError(f"no registered version {version}")
        for key, value in tags.items():
            client.set_model_version_tag(name, registered.version, key, value)
        if alias is not None:
            client.set_registered_model_alias(name, alias, registered.version)
