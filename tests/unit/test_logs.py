"""Logging: every line says which monitor it is about, holds no secret, and is shown to those alone who ask for it."""

from __future__ import annotations

import ast
import io
import logging
import subprocess
import sys
import threading
from contextvars import copy_context
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from spark_monitor.commands.terminal import Progress, Steps
from spark_monitor.text.logs import about, heard_by, log_of

PACKAGE = Path(__file__).parents[2] / "spark_monitor"
log = log_of("spark_monitor.stages.made")


def test_lines_of_monitors_that_run_at_once_name_their_own() -> None:
    stream, both = io.StringIO(), threading.Barrier(2)

    def run(name: str) -> None:
        with about(name):
            both.wait()
            for step in range(20):
                context = partial(copy_context().run, log.info, f"step {step} of {name}")
                branch = threading.Thread(target=context)
                branch.start()
                branch.join()

    with heard_by(Progress(Steps(Console(file=stream, width=80)), several=True)):
        runs = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join()
    lines = [line.split("s  ", 1)[1] for line in stream.getvalue().splitlines()]
    assert sorted(lines) == sorted(f"{name}: step {step} of {name}" for name in ("one", "two") for step in range(20))


def test_a_line_about_no_monitor_has_none_and_one_monitors_lines_have_no_name_before_them() -> None:
    stream = io.StringIO()
    with heard_by(Progress(Steps(Console(file=stream, width=80)))), about("one"):
        log.warning("50 % of it is late")
    with heard_by(Progress(Steps(Console(file=stream, width=80)), several=True)):
        log.info("2 monitors")
    assert [line.split("s  ")[-1] for line in stream.getvalue().splitlines()] == ["warning: 50 % of it is late", "2 monitors"]


def test_secrets_are_masked_for_every_handler(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="spark_monitor"), about("flights"):
        log.info("reading %s", "https://ann:hunter22@host/table")
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["monitor"]) == ("reading https://***@host/table", "flights")


def test_a_handler_hears_in_place_of_the_one_before_and_leaves_everything_as_it_was() -> None:
    package = logging.getLogger("spark_monitor")
    before = (list(package.handlers), package.level, package.propagate)
    outer, inner = io.StringIO(), io.StringIO()
    with heard_by(logging.StreamHandler(outer)):
        log.info("one")
        with heard_by(logging.StreamHandler(inner)):
            log.info("two")
        log.info("three")
    assert (outer.getvalue().split(), inner.getvalue().split()) == (["one", "three"], ["two"])
    assert (package.handlers, package.level, package.propagate) == before


def test_python_that_asks_for_nothing_is_shown_nothing() -> None:
    script = "import spark_monitor; from spark_monitor.text.logs import log_of; log_of('spark_monitor.stages').warning('late')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert (done.stdout, done.stderr) == ("", "")


def test_no_function_takes_a_function_to_say_things_with() -> None:
    takers = [
        f"{file.relative_to(PACKAGE)}: {node.name}"
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and "say" in {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    ]
    assert not takers, f"{takers}: log with spark_monitor.text.logs.log_of(__name__)"
