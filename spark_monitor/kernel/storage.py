"""Where files lie, as pyarrow opens it: a local path or an object store's address.

Credentials and endpoints are the worker's own (environment, instance profile); none travels with the plan.
"""

from __future__ import annotations

import os
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from pyarrow import fs

ATTEMPTS = 5
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Where S3 is another server's; AWS's own tools read these variables as well."""

CONNECT_SECONDS, REQUEST_SECONDS = 10.0, 60.0
S3, GCS, AZURE = frozenset({"s3", "s3a", "s3n"}), frozenset({"gs", "gcs"}), frozenset({"abfs", "abfss"})
LOCAL = frozenset({"", "file"})
SCHEMES = LOCAL | S3 | GCS | AZURE


def scheme_of(address: str) -> str:
    """The kind of storage that an address names.

    >>> scheme_of("s3a://bucket/key"), scheme_of("/data/x")
    ('s3a', '')
    """
    return urlsplit(address).scheme.lower()


def located(address: str) -> tuple[fs.FileSystem, str]:
    """The file system of an address as Spark writes it (a percent-encoded URI), and the path there.

    >>> located("file:///data/a%20b.parquet")[1]
    '/data/a b.parquet'
    """
    parts = urlsplit(address)
    scheme, path = parts.scheme.lower(), unquote(parts.path)
    if scheme in LOCAL:
        return file_system("file", ""), path
    if scheme in S3 | GCS:
        return file_system("s3" if scheme in S3 else "gs", ""), f"{parts.netloc}{path}"
    if scheme in AZURE:
        container, _, host = parts.netloc.partition("@")
        return file_system("abfs", host.split(".")[0]), f"{container}{path}"
    raise ValueError(f"{scheme}: storage that only Spark reads. Known: {', '.join(sorted(SCHEMES - {''}))}.")


@lru_cache(maxsize=8)
def file_system(kind: str, account: str) -> fs.FileSystem:
    """One connection per kind of storage and worker process."""
    if kind == "s3":
        return fs.S3FileSystem(
            endpoint_override=next((os.environ[name] for name in ENDPOINT_VARIABLES if os.environ.get(name)), None),
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
        )
    if kind == "gs":
        return fs.GcsFileSystem()
    if kind == "abfs":
        return fs.AzureFileSystem(account)
    return fs.LocalFileSystem()
