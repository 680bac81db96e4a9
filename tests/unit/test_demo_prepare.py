"""The demo's directory and its monitor's file: whose files are left alone, what is used again, what the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from spark_monitor.config.monitor import load_config
from spark_monitor.demo import prepare
from spark_monitor.demo.monitor_file import adapt, template
from spark_monitor.errors import ConfigError

NO_SPARK = cast(Any, None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stands in for the training and writing; lists the directories it was called for."""
    calls: list[Path] = []

    def make(paths: prepare.DemoPaths, spark: object) -> dict[str, Any]:
        calls.append(paths.directory)
        for file in (paths.predictions / "x", paths.outputs / "x", paths.monitor_file, paths.database):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("made")
        return {"flights": 1, "predictions": 2, "labels": 3, "training_scores": {"version 1": 0.7}}

    monkeypatch.setattr(prepare, "_make", make)
    return calls


def adapted(directory: Path) -> str:
    paths = prepare.DemoPaths(directory)
    tables = {"demo.predictions": paths.predictions, "demo.labels": paths.labels, "demo.serving": paths.serving}
    tables |= {"demo.task_runs": paths.task_runs, "demo.costs": paths.costs, "demo.features": paths.features}
    return adapt(template(), tables=tables, outputs=paths.outputs, tracking_uri=paths.tracking_uri)


# the monitor's file


def test_the_adapted_file_names_paths_and_no_catalog(tmp_path: Path) -> None:
    file = tmp_path / "flights.yaml"
    file.write_text(adapted(tmp_path))
    config = load_config(file)
    assert config.labels is not None
    assert config.baseline is not None
    assert config.outputs.mlflow is not None
    places = [config.predictions.path, config.labels.path, config.baseline.path, config.outputs.path]
    assert places == [str(tmp_path / name) for name in ("data/predictions", "data/labels", "data/predictions", "monitoring")]
    assert [config.predictions.format, config.labels.format, config.baseline.format] == ["delta"] * 3
    assert config.outputs.mlflow.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_everything_but_the_places_stays_as_in_the_committed_file(tmp_path: Path) -> None:
    before, after = yaml.safe_load(template()), yaml.safe_load(adapted(tmp_path))
    (before["features"],), (after["features"],) = before["pipelines"].pop("tables"), after["pipelines"].pop("tables")
    before["pipelines.runs"], after["pipelines.runs"] = before["pipelines"].pop("runs"), after["pipelines"].pop("runs")
    for section in ("predictions", "labels", "baseline", "operations", "pipelines.runs", "features", "costs"):
        del before[section]["table"], after[section]["path"], after[section]["format"]
    del before["outputs"]["schema"], after["outputs"]["path"]
    del before["outputs"]["mlflow"]["tracking_uri"], after["outputs"]["mlflow"]["tracking_uri"]
    assert before == after


def test_the_comments_that_explain_the_keys_stay(tmp_path: Path) -> None:
    comments = [line for line in template().splitlines() if line.lstrip().startswith("#")]
    assert len(comments) > 10
    assert set(comments) <= set(adapted(tmp_path).splitlines())


@pytest.mark.parametrize("name", ["with space", "it's", 'quo"te', "back\\slash", "# hash", "ünï", "a: b"])
def test_a_directory_of_any_name_can_be_written_into_yaml(tmp_path: Path, name: str) -> None:
    file = tmp_path / "flights.yaml"
    file.write_text(adapted(tmp_path / name), encoding="utf-8")
    assert load_config(file).predictions.path == str(tmp_path / name / "data" / "predictions")


def test_a_name_in_a_comment_or_a_condition_is_left_alone() -> None:
    text = 'where: "a > 1"  # not table: demo.labels\nrule: {columns: [table]}\n'
    assert adapt(text, tables={"demo.labels": Path("/l")}, outputs=Path("/o"), tracking_uri="u") == text


# the directory


@pytest.mark.usefixtures("made")
def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("precious")
    with pytest.raises(ConfigError, match="holds files that the demo did not write"):
        prepare.prepare(tmp_path, NO_SPARK)
    assert (tmp_path / "mlflow.db").read_text() == "precious"
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        prepare.claim(tmp_path / "file")


def test_a_second_preparation_uses_the_first_again(tmp_path: Path, made: list[Path]) -> None:
    first = prepare.prepare(tmp_path / "new", NO_SPARK)
    (first.paths.outputs / "results").write_text("of the first run")
    second = prepare.prepare(tmp_path / "new", NO_SPARK)
    assert made == [tmp_path / "new"]
    assert (first.anew, second.anew) == (True, False)
    assert (second.flights, second.predictions, second.labels, second.training_scores) == (1, 2, 3, {"version 1": 0.7})
    assert (first.paths.outputs / "results").exists()


def test_a_preparation_that_was_cut_off_begins_anew(tmp_path: Path, made: list[Path]) -> None:
    paths = prepare.claim(tmp_path / "new")
    paths.outputs.mkdir()
    (paths.outputs / "half").touch()
    paths.database.touch()
    (paths.directory / "note.txt").write_text("the user's")
    prepare.prepare(tmp_path / "new", NO_SPARK)
    assert made == [tmp_path / "new"]
    assert not (paths.outputs / "half").exists()
    assert (paths.directory / "note.txt").read_text() == "the user's"


def test_a_directory_of_other_code_or_of_another_place_is_made_anew(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare.prepare(tmp_path / "one", NO_SPARK)
    (tmp_path / "one").rename(tmp_path / "two")
    prepare.prepare(tmp_path / "two", NO_SPARK)
    monkeypatch.setattr(prepare, "template", lambda: "other: text")
    prepare.prepare(tmp_path / "two", NO_SPARK)
    assert made == [tmp_path / "one", tmp_path / "two", tmp_path / "two"]


@pytest.mark.usefixtures("made")
def test_a_broken_mark_means_not_finished(tmp_path: Path) -> None:
    paths = prepare.claim(tmp_path / "new")
    paths.mark.write_text("{")
    prepare.prepare(tmp_path / "new", NO_SPARK)
    assert not prepare.prepare(tmp_path / "new", NO_SPARK).anew
