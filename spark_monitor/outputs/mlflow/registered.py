"""What MLflow's registry knows of the versions of a model: signature, requirements and origin. Small files are read, no model."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.operations.registered import Registered
from spark_monitor.outputs.credentials import hold_artifact
from spark_monitor.outputs.mlflow.client import open_client
from spark_monitor.outputs.mlflow.registry import if_there, registered_version
from spark_monitor.stages.served_versions import Registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARAMETERS_SHOWN = 20


def registry_of(config: MonitorConfig) -> Registry | None:
    """What looks up registered versions of a monitor's model; None where the monitor has no MLflow."""
    section = config.outputs.mlflow
    if section is None:
        return None
    place = (section.tracking_uri, config.model.name)
    return Registry(partial(read_registered, *place), partial(read_aliases, *place))


def read_registered(tracking_uri: str, name: str, versions: Iterable[str]) -> dict[str, Registered]:
    """The versions that the registry knows, by their numbers; others are left out."""
    registered = {}
    with open_client(tracking_uri) as client:
        for version in versions:
            entry = registered_version(client, name, version)
            if entry is not None:
                registered[version] = _registered(client, entry, tracking_uri)
    return registered


def read_aliases(tracking_uri: str, name: str) -> dict[str, str]:
    """The version that each alias of a model names; none where there is no such model."""
    with open_client(tracking_uri) as client:
        model = if_there(lambda: client.get_registered_model(name))
        return {} if model is None else {str(alias): str(version) for alias, version in (model.aliases or {}).items()}


def _registered(client: MlflowClient, entry: Any, tracking_uri: str) -> Registered:
    location = client.get_model_version_download_uri(entry.name, entry.version)
    described = yaml.safe_load(_text(f"{location}/MLmodel", tracking_uri) or "") or {}
    signature = described.get("signature") or {}
    conda = yaml.safe_load(_text(f"{location}/conda.yaml", tracking_uri) or "") or {}
    return Registered(
        str(entry.version),
        _inputs(signature.get("inputs")),
        _requirements(location, tracking_uri, conda),
        _origin(client, entry, described),
        _python(location, tracking_uri, conda),
    )


def _inputs(text: str | None) -> tuple[tuple[str, str, bool], ...]:
    """The named columns of a signature; tensors and unnamed inputs say nothing of a table."""
    listed = json.loads(text) if text else []
    named = [one for one in listed if isinstance(one, Mapping) and one.get("name") and isinstance(one.get("type"), str)]
    return tuple((one["name"], one["type"], bool(one.get("required", True))) for one in named if one["type"] != "tensor")


def _requirements(location: str, tracking_uri: str, conda: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines of requirements.txt, else the pip part of conda.yaml."""
    text = _text(f"{location}/requirements.txt", tracking_uri)
    if text is not None:
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    listed = [one for one in conda.get("dependencies", []) if isinstance(one, Mapping)]
    pip: list[object] = next((one["pip"] for one in listed if "pip" in one), [])
    return tuple(map(str, pip))


def _python(location: str, tracking_uri: str, conda: Mapping[str, Any]) -> str | None:
    """The version of Python in python_env.yaml, else in conda.yaml."""
    described = yaml.load(_text(f"{location}/python_env.yaml", tracking_uri) or "", yaml.BaseLoader) or {}  # 3.10 is no number
    if described.get("python"):
        return str(described["python"])
    named = [re.fullmatch(r"python *={1,2} *([\d.]+)", one) for one in conda.get("dependencies", []) if isinstance(one, str)]
    return next((one[1] for one in named if one is not None), None)


def _origin(client: MlflowClient, entry: Any, described: Mapping[str, Any]) -> dict[str, str]:
    """Who registered it when, from which run with which parameters, metrics and data, and its aliases."""
    origin = {"registered_at": _timestamp(entry.creation_timestamp), "registered_by": entry.user_id, "run_id": entry.run_id}
    origin["aliases"] = ", ".join(map(str, entry.aliases or ()))
    origin["mlflow_version"] = described.get("mlflow_version")
    if entry.run_id:
        run = client.get_run(entry.run_id)
        origin |= {f"param.{name}": value for name, value in sorted(run.data.params.items())[:PARAMETERS_SHOWN]}
        origin |= {f"data.{one.dataset.name}": one.dataset.digest for one in _datasets(run)}
        origin |= {f"training.{name}": f"{value:.6g}" for name, value in sorted(run.data.metrics.items())[:PARAMETERS_SHOWN]}
    return {name: str(value) for name, value in origin.items() if value}


def _datasets(run: Any) -> list[Any]:
    """The data that the training run logged as its inputs, each with its version (digest)."""
    inputs = getattr(run, "inputs", None)
    return list(inputs.dataset_inputs or ())[:PARAMETERS_SHOWN] if inputs is not None else []


def _timestamp(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _text(address: str, tracking_uri: str) -> str | None:
    """A small file of a model; None where there is none."""
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as directory:
        try:
            hold_artifact(address, tracking_uri, os.environ)
            path = download_artifacts(artifact_uri=address, dst_path=directory, tracking_uri=tracking_uri)
            return Path(path).read_text(encoding="utf-8")
        except Exception:  # stores of many kinds say in as many ways that a file is not there
            return None
