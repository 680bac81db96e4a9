"""Archives of Spark's classes: which options a session's JVM gets, and that a real one leaves what the next one takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from spark_monitor.java import ARCHIVES_KEPT, ARCHIVES_VARIABLE, WRITING_SECONDS, Java, archive_options, choose_java

WHOLE, UNFINISHED = b"\xa8\xab\x0b\xf0 the rest", bytes(4) + b" the rest"


@pytest.fixture
def java(tmp_path: Path) -> Java:
    command = tmp_path / "java"
    command.write_text("one Java")
    return Java(str(command), None, 17)


def asked(java: Java, directory: Path) -> str:
    return archive_options(java, {ARCHIVES_VARIABLE: str(directory)})


def archive_of(options: str) -> Path:
    return Path(options.split()[0].partition("=")[2])


def test_the_first_session_leaves_an_archive_and_later_ones_take_it(java: Java, tmp_path: Path) -> None:
    first = asked(java, tmp_path / "kept")
    assert first.startswith(f"-XX:ArchiveClassesAtExit={tmp_path}/kept/classes-")
    archive_of(first).write_bytes(WHOLE)
    assert asked(java, tmp_path / "kept").startswith(f"-XX:SharedArchiveFile={archive_of(first)} ")


def test_an_archive_that_is_not_whole_is_left_until_nobody_can_be_writing_it(java: Java, tmp_path: Path) -> None:
    archive = archive_of(asked(java, tmp_path))
    archive.write_bytes(UNFINISHED)
    assert asked(java, tmp_path) == ""
    long_ago = time.time() - WRITING_SECONDS - 1
    os.utime(archive, (long_ago, long_ago))
    assert archive_of(asked(java, tmp_path)) == archive
    assert "ArchiveClassesAtExit" in asked(java, tmp_path)


def test_another_java_has_another_archive_and_old_ones_go(java: Java, tmp_path: Path) -> None:
    archives = []
    for number in range(ARCHIVES_KEPT + 2):
        Path(java.command).write_text("another Java" * (number + 1))
        archives.append(archive_of(asked(java, tmp_path / "kept")))
        archives[-1].write_bytes(WHOLE)
        os.utime(archives[-1], (number, number))
    assert len(set(archives)) == ARCHIVES_KEPT + 2
    assert sorted((tmp_path / "kept").iterdir()) == sorted(archives[-ARCHIVES_KEPT:])


def test_another_pyspark_has_another_archive(java: Java, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archives = set()
    for name in ("one", "other"):
        (tmp_path / name / "jars").mkdir(parents=True)
        found = SimpleNamespace(submodule_search_locations=[str(tmp_path / name)])
        monkeypatch.setattr("spark_monitor.java.find_spec", lambda _, found=found: found)
        archives.add(archive_of(asked(java, tmp_path / "kept")))
    assert len(archives) == 2


def test_without_a_place_all_works_as_well(java: Java, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("")
    (tmp_path / "file").write_text("")
    assert asked(java, tmp_path / "with a blank") == ""
    assert asked(java, tmp_path / "file" / "below") == ""
    assert archive_options(java, {ARCHIVES_VARIABLE: "off"}) == ""
    assert archive_options(Java(str(tmp_path / "no java"), None, 17), {ARCHIVES_VARIABLE: str(tmp_path)}) == ""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert archive_of(archive_options(java, {})).parent == tmp_path / ".cache" / "spark-monitor"
    assert (
        archive_of(archive_options(java, {"XDG_CACHE_HOME": str(tmp_path / "xdg")})).parent == tmp_path / "xdg" / "spark-monitor"
    )


@pytest.mark.slow
def test_a_sessions_jvm_leaves_an_archive_when_it_ends_and_the_next_takes_its_classes_from_it(tmp_path: Path) -> None:
    start = (
        "from spark_monitor.session import open_session; s = open_session(master='local[1]', "
        "conf={'spark.driver.extraJavaOptions': '-Xlog:class+load:file=LOG'}); assert s.range(3).count() == 3; s.stop()"
    )
    environment = {**os.environ, ARCHIVES_VARIABLE: str(tmp_path / "kept")}
    from_archive = []
    for number in range(2):
        log = tmp_path / f"classes{number}.log"
        subprocess.run([sys.executable, "-c", start.replace("LOG", str(log))], env=environment, check=True, timeout=240)
        deadline = time.time() + 120  # the JVM outlives the program by the time that it takes to write
        while "SharedArchiveFile" not in asked(choose_java(environment), tmp_path / "kept") and time.time() < deadline:
            time.sleep(1)
        lines = log.read_text().splitlines()
        from_archive.append(sum("shared objects file (top)" in line for line in lines if "org.apache.spark" in line))
    assert from_archive[0] == 0
    assert from_archive[1] > 1_000
