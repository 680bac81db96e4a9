"""Signatures and requirements against tables and environments, and a real registry of MLflow read without its models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from spark_monitor.operations.registered import Registered, dependency_problems, requirements_compared, signature_problems
from spark_monitor.outputs.mlflow.registered import _python, read_registered

VERSIONS = ("1.5.2", "1.6.0", "2.0.0", "1.5.9", "0.9")


@pytest.mark.parametrize(
    "clause", [">=1.5.2", "<2", "<=1.6.0", ">1.5.2,<2", "~=1.5", "~=1.5.2", "!=1.6.0", "!=1.5.*", "==1.5.*", "==1.*", ""]
)
@pytest.mark.parametrize("there", VERSIONS)
def test_ranges_of_versions_are_those_of_packaging(clause: str, there: str) -> None:
    problems = dependency_problems(Registered("1", requirements=(f"thing{clause}",)), {"Thing": there})
    assert (not problems) == Requirement(f"thing{clause}").specifier.contains(there), problems


def test_a_pinned_version_may_differ_in_its_last_number_alone() -> None:
    pinned = Registered("1", requirements=("thing==1.5.2",))
    found = {there: dependency_problems(pinned, {"thing": there}) for there in VERSIONS}
    assert [bool(found[there]) for there in VERSIONS] == [False, True, True, False, True]


def test_a_requirement_counts_where_its_marker_says_so() -> None:
    lines = ('tomli==2.0; python_version < "3.11"', 'colorama; sys_platform == "win32"', 'shap; extra == "why"')
    old, new = (dependency_problems(Registered("1", requirements=lines), {"python": one}) for one in ("3.10.4", "3.12.0"))
    assert (old, new) == (["tomli is not installed"], [])
    assert requirements_compared(Registered("1", requirements=("-c other.txt", *lines)), {"python": "3.10.4"}) == 1
    made = Registered("1", requirements=lines, python="3.9.1")
    assert dependency_problems(made, {"tomli": "2.0.1"}) == []


def test_versions_that_are_none_are_told_and_not_compared() -> None:
    model = Registered("1", requirements=("thing>=1", "other"), python="3.11.2")
    assert dependency_problems(model, {"thing": "unknown", "other": "?", "python": "nightly"}) == [
        "python nightly cannot be compared with ==3.11.2",
        "thing unknown cannot be compared with >=1",
    ]
    assert dependency_problems(Registered("1", requirements=("torch==2.1.0",)), {"torch": "2.1.0+cu121"}) == []


def test_comments_options_and_addresses_are_no_requirements() -> None:
    lines = ("# pinned", "-r other.txt", "git+https://example.org/x", "pandas[parquet]>=2 ; python_version > '3.8'")
    assert dependency_problems(Registered("1", requirements=lines), {"pandas": "2.3"}) == []


WHOLE_NUMBERS = {"tinyint": np.int8, "smallint": np.int16, "int": np.int32, "bigint": np.int64}
NUMBERS = {**WHOLE_NUMBERS, "float": np.float32, "double": np.float64}


@pytest.mark.parametrize("there", NUMBERS)
@pytest.mark.parametrize("taken", ["integer", "long", "float", "double"])
def test_types_of_numbers_are_refused_as_mlflow_refuses_them(taken: str, there: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.models import validate_schema
    from mlflow.types.schema import ColSpec, Schema

    refused = False
    try:
        validate_schema(pd.DataFrame({"x": np.array([5, 7], dtype=NUMBERS[there])}), Schema([ColSpec(taken, "x")]))
    except MlflowException:
        refused = True
    assert bool(signature_problems(Registered("1", (("x", taken, True),)), {"x": there})) == refused


def test_whole_numbers_fit_a_double_and_doubles_do_not_fit_a_long() -> None:
    model = Registered("1", (("a", "double", True), ("b", "long", True), ("c", "string", True)))
    columns = {"a": "int", "b": "double", "c": "varchar(3)"}
    assert signature_problems(model, columns) == ["b is double, the model takes long"]


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of its database
def test_a_registry_is_read_with_signature_requirements_and_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.dummy import DummyClassifier

    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/mlflow.db"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(address)
    try:
        experiment = mlflow.create_experiment("training", artifact_location=(tmp_path / "artifacts").as_uri())
        rows = pd.DataFrame({"age": np.array([1.0, 2.0]), "city": ["a", "b"]})
        model = DummyClassifier().fit(rows, [0, 1])
        with mlflow.start_run(experiment_id=experiment):
            mlflow.log_param("depth", 7)
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name="made",
                signature=infer_signature(rows, model.predict(rows)),
                pip_requirements=["scikit-learn==1.0.0", "pandas"],
                skops_trusted_types=["numpy.dtype"],
            )
    finally:
        mlflow.set_tracking_uri(before)
    found = read_registered(address, "made", ["1", "2", "latest"])
    assert sorted(found) == ["1"]
    assert found["1"].inputs == (("age", "double", True), ("city", "string", True))
    assert "scikit-learn==1.0.0" in found["1"].requirements
    assert found["1"].origin["param.depth"] == "7"
    assert any("scikit-learn" in told for told in dependency_problems(found["1"], {"scikit-learn": "1.9.1", "pandas": "2.3.3"}))


def test_the_python_of_a_model_is_a_version_and_no_number(tmp_path: Path) -> None:
    (tmp_path / "python_env.yaml").write_text("python: 3.10\n", encoding="utf-8")
    conda = {"dependencies": ["python=3.9.1", {"pip": ["mlflow"]}]}

    assert _python(str(tmp_path), f"sqlite:///{tmp_path}/mlflow.db", conda) == "3.10"
    assert _python(str(tmp_path / "none"), f"sqlite:///{tmp_path}/mlflow.db", conda) == "3.9.1"
