"""MLflow's client as a guest in this program: quiet, bounded in time, apart from the caller's active model, errors as sentences.

Everything runs in a thread of its own, because some of MLflow's waits (a database's connection, a proxy, a login) have no limit
that can be set; one that does not answer in time is left behind, and publishing goes on with the next run.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from spark_monitor.outputs.credentials import hold_tracking
from spark_monitor.text.formatting import harmless
from spark_monitor.text.masking import mask_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_PUBLISH = 300.0
"""Seconds after which publishing stops; what is published by then is kept, and the next run goes on from there."""

REQUEST_SETTINGS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""What MLflow's own settings are while publishing, unless the user has set them. Its defaults wait for minutes."""

ACTIVE_MODEL: Final = ("MLFLOW_ACTIVE_MODEL_ID", "_MLFLOW_ACTIVE_MODEL_ID")
"""Variables that would link every metric to the model that the caller happens to work on."""

DATABASE_ATTEMPTS = 4
"""Attempts to open a database; MLflow's ten take 100 seconds, and it has no setting for them."""

LONGEST_SENTENCE = 300
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([A-Z][\w ]+)")
"""The system's own words, which the client's wrap in four layers of theirs."""

NOISY: Final = ("mlflow", "alembic", "sqlalchemy.engine", "urllib3", "databricks")


class NoAnswer(Exception):
    """MLflow took longer than publishing may take."""


def within(seconds: float, action: Callable[[threading.Event], int]) -> int:
    """What an action returns or raises, if it ends in time; its event tells it that nobody waits any more."""
    stop, outcome = threading.Event(), dict[str, int]()
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome["points"] = action(stop)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="spark_monitor_publish", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        stop.set()
        raise NoAnswer(f"it did not answer within {seconds:g} seconds")
    if failure:
        raise failure[0]
    return outcome["points"]


class Guests:
    """Clients that are open in this process: what they change of it is changed by the first, and put back after the last.

    Each by itself would take what another has changed for the caller's own, and leave it so.
    """

    def __init__(self) -> None:
        self._counting, self._open = threading.Lock(), 0
        self._changes = ExitStack()
        self._hidden: dict[str, str] = {}

    @contextmanager
    def one(self) -> Iterator[None]:
        """MLflow quiet and bounded."""
        with self._counting:
            if self._open == 0:
                for change in (_settings(), _imported(), _silent(), _few_attempts()):
                    self._changes.enter_context(change)
            # The caller may have named a model since the first client was opened: its metrics are never linked to it.
            self._hidden |= {name: os.environ.pop(name) for name in ACTIVE_MODEL if name in os.environ}
            self._open += 1
        try:
            yield
        finally:
            with self._counting:
                self._open -= 1
                if self._open == 0:
                    self._changes.close()
                    for name, model in self._hidden.items():
                        os.environ.setdefault(name, model)
                    self._hidden.clear()


GUESTS: Final = Guests()
_WRITING: Final = defaultdict[str, threading.Lock](threading.Lock)


@contextmanager
def open_client(tracking_uri: str) -> Iterator[MlflowClient]:
    """A client, with MLflow quiet and bounded while it is open; the caller's settings are put back afterwards."""
    hold_tracking(tracking_uri, os.environ)
    with GUESTS.one():
        from mlflow import MlflowClient

        yield MlflowClient(tracking_uri=tracking_uri)


@contextmanager
def alone_at(tracking_uri: str, stop: threading.Event) -> Iterator[None]:
    """One publish of this process at a time: a new database is made once, no description is written over another's."""
    with _WRITING[tracking_uri]:
        if stop.is_set():
            raise NoAnswer("another publish of this process did not end in time")
        yield


def artifact_location(tracking_uri: str) -> str | None:
    """Where a new experiment keeps its files: beside an SQLite database, else where the server says.

    MLflow's own answer for a database is ``mlruns`` in the directory that the program happens to be started in.

    >>> artifact_location("sqlite:////srv/mlflow.db"), artifact_location("https://mlflow.example.org")
    ('file:///srv/mlartifacts', None)
    """
    parts = urlsplit(tracking_uri)
    if parts.scheme != "sqlite" or not parts.path.strip("/"):
        return None
    return (Path(unquote(parts.path[1:])).resolve().parent / "mlartifacts").as_uri()


def sentence_of(error: BaseException, tracking_uri: str) -> str:
    """Why MLflow could not be reached or refused, in a sentence without secrets."""
    shown = f"MLflow at {mask_secrets(tracking_uri)}"
    if isinstance(error, ImportError):
        return f'MLflow is not installed ({error.name}). Install it, for instance by pip install "spark-monitor[local]".'
    password = urlsplit(tracking_uri).password
    reason = mask_secrets(str(error))
    for secret in filter(None, (password, unquote(password or ""))):
        reason = reason.replace(secret, "***")
    refused = _SYSTEM_ERROR.search(reason)
    reason = f"no connection ({refused[1]})" if refused else " ".join(reason.split()) or type(error).__name__
    return f"{shown} could not be written: {harmless(reason, LONGEST_SENTENCE)}"


def is_absent(error: Exception) -> bool:
    """Whether MLflow says that something does not exist, or could not exist under such a name."""
    return getattr(error, "error_code", None) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")


@contextmanager
def _settings() -> Iterator[None]:
    """Settings that bound MLflow's waits."""
    settings = {name: value for name, value in REQUEST_SETTINGS.items() if name not in os.environ}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            os.environ.pop(name, None)


@contextmanager
def _imported() -> Iterator[None]:
    """MLflow, which sets its loggers' levels as it is imported, and no warnings, of which the import alone has several."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(ImportError):  # whoever opens a client says so
            import_module("mlflow")
        yield


@contextmanager
def _silent() -> Iterator[None]:
    """MLflow's and its libraries' loggers say nothing: what goes wrong is an exception, and logged once."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _few_attempts() -> Iterator[None]:
    """Fewer attempts to open a database, where this MLflow has the constant at all."""
    try:
        from mlflow.store.db import utils as database
    except ImportError:  # the client without databases has no such module
        yield
        return
    before = getattr(database, "MAX_RETRY_COUNT", None)
    if before is not None:
        database.MAX_RETRY_COUNT = min(before, DATABASE_ATTEMPTS)
    try:
        yield
    finally:
        if before is not None:
            database.MAX_RETRY_COUNT = before
