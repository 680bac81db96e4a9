"""An S3 on this machine (moto's) that can be told to answer 503, or slowly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

HOST, BUCKET, REGION = "127.0.0.1", "monitors", "us-east-1"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
Start = Callable[..., Any]


class Quiet(WSGIRequestHandler):
    """One line per request is for nobody."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is written."""


@dataclass
class Faults:
    """What is wrong with the store now, and what came of it since it was set."""

    refused_after: int | None = None
    """From this request on every one is answered 503."""

    refused_every: int | None = None
    """Every so many requests one is answered 503."""

    delay_seconds: float = 0.0
    requests: int = 0
    refused: int = 0

    def refuses(self, number: int) -> bool:
        late = self.refused_after is not None and number > self.refused_after
        return late or (self.refused_every is not None and number % self.refused_every == 0)


class FaultyStore:
    """The server: a WSGI program around moto's."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._moto: Any = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.server = make_server(HOST, 0, self, threaded=True, request_handler=Quiet)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.server.server_port}"

    def client(self) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, **keys)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        faults = self.faults
        with self._lock:
            faults.requests += 1
            refused = faults.refuses(faults.requests)
            faults.refused += refused
        time.sleep(faults.delay_seconds)
        if refused:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(SLOW_DOWN)))])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else SLOW_DOWN]
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def upload(self, directory: Path, prefix: str) -> None:
        """The files of a directory, hidden ones left out."""
        client = self.client()
        for file in sorted(directory.rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                client.upload_file(str(file), BUCKET, f"{prefix}/{file.relative_to(directory)}")

    def download(self, prefix: str, directory: Path) -> None:
        """What lies below a prefix, as files."""
        client = self.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/"):
            for found in page.get("Contents", []):
                if not found["Key"].endswith("/"):
                    file = directory / found["Key"].removeprefix(f"{prefix}/")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    client.download_file(BUCKET, found["Key"], str(file))


@contextmanager
def faulty_store() -> Iterator[FaultyStore]:
    store = FaultyStore()
    thread = threading.Thread(target=store.server.serve_forever, daemon=True)
    thread.start()
    try:
        store.client().create_bucket(Bucket=BUCKET)
        yield store
    finally:
        store.server.shutdown()
        thread.join()
