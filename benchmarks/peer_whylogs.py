"""whylogs' answer, from a virtual environment of its own, since the project needs nothing of what whylogs brings.

The environment is made once, in ``.venv-peers``; a program in it (``whylogs_program.py``) stays and answers whenever it is asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path

from benchmarks.answers import Answer, Side
from benchmarks.monitors import CORES
from benchmarks.peer_local import halves

PLACE = Path(".venv-peers")
PACKAGES = ("whylogs==1.6.4", *(f"{name}=={version(name)}" for name in ("numpy", "pandas", "pyarrow")))
PROGRAM = Path(__file__).with_name("whylogs_program.py")
SILENCE = {"WHYLOGS_NO_ANALYTICS": "True", "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "True"}


class Unavailable(Exception):
    """whylogs cannot be had; the text says why."""


def interpreter(place: Path = PLACE) -> Path:
    """The environment's Python, made where there is none yet."""
    python, stamp = place.absolute() / "bin" / "python", place / "ready"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == "\n".join(PACKAGES):
        return python
    shutil.rmtree(place, ignore_errors=True)
    try:
        venv.create(place, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"whylogs is left out: no virtual environment could be made for it in {place} ({error}).") from error
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PACKAGES],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise Unavailable(f"whylogs could not be installed for Python {sys.version.split()[0]} ({last}), so it is left out.")
    stamp.write_text("\n".join(PACKAGES), encoding="utf-8")
    return python


class Whylogs:
    """The program that answers."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._errors, self._open = PLACE / "errors.txt", ExitStack()
        python = interpreter()
        self._process = subprocess.Popen(
            [python, PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._open.enter_context(self._errors.open("w")),
            text=True,
            env=environment | SILENCE,
        )
        asked = {"halves": [[str(file) for file in files] for files in halves(path)], "names": list(names), "processes": CORES}
        self._asked = json.dumps(asked) + "\n"

    def answer(self) -> Answer:
        """Ask once."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(BrokenPipeError):  # it has ended; the next line says so
            stdin.write(self._asked)
            stdin.flush()
        line = stdout.readline()
        if not line:
            last = (self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise Unavailable(f"whylogs ended without an answer ({last}), so it is left out.")
        reply = json.loads(line)
        sides = {name: (Side(**baseline), Side(**current)) for name, (baseline, current) in reply["sides"].items()}
        return Answer(sides, reply["ks"])

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._open.close()
