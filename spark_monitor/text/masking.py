"""Secrets kept out of every text that leaves the process: messages, findings, logs, rows of the ledger.

Known forms are masked by their look (credentials in addresses, named parameters, headers, keys of well-known services), and the
values of environment variables and of Spark settings whose names say that they are secret by what they are. Rather too much is
masked than too little.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

from spark_monitor.errors import JAVA_CALLED
from spark_monitor.text.secret_forms import FORMS

MASK: Final = "***"
CAUSED_BY: Final = "Caused by: "
TRACEBACK: Final = "Traceback (most recent call last):"
BRANCH: Final = "↳"
"""What stands before each further reason of an error of delta-rs, coloured, the root last."""

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
SHORTEST_SECRET: Final = 6
"""Shorter values of the environment are words such as "true" that stand in many strings and protect nothing."""

# What follows is looked for in texts of any length, which whoever wrote them chose: repetitions before the sign that decides are
# bounded, or a word of 100,000 letters would take minutes.
_SECRET_VARIABLE = re.compile(
    r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|WEBHOOK|CONNECTION_STRING|(?:^|_)(?:PASS|PAT|SAS|DSN)$|_PWD$",
    re.IGNORECASE,
)
_CONTAINER_SCHEMES = frozenset({"abfs", "abfss", "wasb", "wasbs"})
_BUCKET_SCHEMES = frozenset({"s3", "s3a", "s3n", "gs", "oss", "cos"})
"""Addresses of buckets: no port stands in them, so a colon begins a secret, which may hold slashes."""

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]{0,40})(?P<slashes>://|(?<=\w\w):/)(?P<rest>[^\s\"'<>`,]+)")
"""What is taken for a path of this machine, as the name of a monitor's file is, has one slash."""

_PORT = re.compile(r"[^/:@]+:\d{1,5}/|\[[0-9a-fA-F:]+\](?::\d{1,5})?/")
_AZURE_KEY = r"account\.key\.[\w.-]{1,200}"
"""Spark's setting for a storage account of Azure ends in the account's name: fs.azure.account.key.NAME.dfs.core.windows.net."""

_NAME = (
    r"(?:password|passwd|passphrase|pwd|token|secret|signature|credentials?|(?:(?<=[?&;])|^)(?:key|sig)"
    rf"|(?:api|access|account|private|secret|storage|shared|encryption|sas)[_.-]?key|{_AZURE_KEY})"
)
_STRONG_NAME = r"(?:password|passwd|passphrase|pwd|secret|token|(?:api|access|account|private|secret|storage|shared)[_.-]?key)"
_SECRET_SETTING = re.compile(rf"(?i){_STRONG_NAME}")
_QUOTED_VALUE = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_PARAMETER = re.compile(rf"(?i)({_NAME}=)({_QUOTED_VALUE}|[^&\s;,\"'\])}}]+)")
_VARIABLE = re.compile(
    rf"\b((?:[A-Z0-9]+_){{0,20}}(?:[A-Z0-9]*KEY|SECRET|TOKEN|PASSWORD)(?:_[A-Z0-9]+){{0,20}}=)(?!VALUE\b)({_QUOTED_VALUE}|[^&\s;,\"'\])}}]+)"
)
_QUOTED_ENTRY = re.compile(rf"(?i)([\"'][\w.-]{{0,200}}(?:{_STRONG_NAME}|{_AZURE_KEY})[\"']\s*[:=]\s*)({_QUOTED_VALUE})")
_OPTION = re.compile(
    rf"(?i)(--[\w-]{{0,60}}(?:password|passphrase|token|secret|(?:api|access|account|private|secret)-key)\s+)({_QUOTED_VALUE}|[^\s-]\S*)"
)
_NAMED_WORD = re.compile(
    r"(?i)((?:\b|_)(?:password|passwd|passphrase|pwd|(?:api|access|account|private|secret)[_.-]?key)\s*(?::|\s=|\sis)\s+)"
    rf"({_QUOTED_VALUE}|[^\s,;\"']+)"
)
_HEADER = re.compile(r"(?i)\b((?:bearer|basic)\s+)([A-Za-z0-9+/._~=-]{8,})")
_HEADER_OF_NAME = re.compile(
    r"(?i)\b((?:x-[\w-]{0,60}(?:key|token|secret)|authorization|x-auth[\w-]{0,60})\s*:\s*)(?!(?:bearer|basic)\s)([^\s,;]+)"
)
_ORACLE = re.compile(r"(?i)(jdbc:oracle:\w{1,40}:)[^@\s\"']{1,500}@")
_HOOK = re.compile(
    r"(?i)(https://(?:hooks\.slack\.com/(?:services|workflows|triggers)|(?:[\w-]+\.)?discord(?:app)?\.com/api/webhooks"
    r"|[\w.-]*webhook\.office\.com/\w+|api\.telegram\.org)/)[^\s\"'<>`]+"
)
_SHAPES = re.compile(
    r"\b(?:A(?:KIA|SIA|GPA|IDA|ROA)[0-9A-Z]{16}"  # AWS
    r"|dapi[0-9a-f]{32}(?:-\d+)?|dose[0-9a-f]{32}"  # Databricks
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|AIza[\w-]{35}"
    r"|eyJ[\w-]{8,4000}\.[\w-]{8,}(?:\.[\w-]*)?)"  # a JSON web token
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


_REMEMBERED: set[str] = set()


def remember_secrets(settings: Mapping[str, str]) -> None:
    """From now on mask the values of settings, such as Spark's, whose names say that they are secret.

    >>> remember_secrets({"spark.hadoop.fs.s3a.secret.key": "an/example", "spark.sql.shuffle.partitions": "200000"})
    >>> mask_secrets("denied for an/example and an%2Fexample: 200000")
    'denied for *** and ***: 200000'
    """
    _REMEMBERED.update(_forms(value for name, value in settings.items() if _SECRET_SETTING.search(name)))


def mask_secrets(text: str) -> str:
    """A string without the secrets in it: those of the environment, and whatever looks like one.

    >>> mask_secrets("postgresql://ann:pass@db:5432/mlflow?sslpassword=x")
    'postgresql://***@db:5432/mlflow?sslpassword=***'
    >>> mask_secrets("s3a://AKIA:se/cret@bucket/table"), mask_secrets("Authorization: Bearer abcdef123456")
    ('s3a://***@bucket/table', 'Authorization: Bearer ***')
    >>> mask_secrets("abfss://container@account.dfs.core.windows.net/path")
    'abfss://container@account.dfs.core.windows.net/path'
    """
    return mask_forms(_without_values(text, _longest_first({*secret_values(os.environ), *_REMEMBERED})))


def without_secrets(content: Any) -> Any:
    """Strings, and those in mappings and lists, as ``mask_secrets`` gives them: the environment is looked at once for all.

    >>> without_secrets({"password=x": ["token=y", 1.5, None]})
    {'password=***': ['token=***', 1.5, None]}
    """
    values = _longest_first({*secret_values(os.environ), *_REMEMBERED})

    def masked(one: Any) -> Any:
        if isinstance(one, str):
            return mask_forms(_without_values(one, values))
        if isinstance(one, Mapping):
            return {masked(key): masked(value) for key, value in one.items()}
        return [masked(value) for value in one] if isinstance(one, list | tuple) else one

    return masked(content)


def mask_forms(text: str) -> str:
    """A string without what looks like a secret; the environment has no say, so that the result is the same everywhere.

    >>> mask_forms("AccountKey=abc;x=1"), mask_forms("customer_key = 'DE'")
    ('AccountKey=***;x=1', "customer_key = 'DE'")
    """
    masked = _PRIVATE_KEY.sub(MASK, text)
    masked = _HOOK.sub(rf"\1{MASK}", masked)
    masked = _ORACLE.sub(rf"\1{MASK}@", masked)
    masked = _ADDRESS.sub(_address, masked)
    for named in (*FORMS, _QUOTED_ENTRY, _PARAMETER, _VARIABLE, _OPTION, _NAMED_WORD, _HEADER_OF_NAME):
        masked = named.sub(_value, masked)
    return _SHAPES.sub(MASK, _HEADER.sub(rf"\1{MASK}", masked))


def secret_values(environment: Mapping[str, str]) -> list[str]:
    """The values of variables whose names say that they are secret, longest first, and as they stand in addresses.

    >>> secret_values({"DB_PASSWORD": "p@ss word", "HOME": "elsewhere", "USE_KEY": "yes"})
    ['p%40ss%20word', 'p%40ss+word', 'p@ss word']
    """
    names = [name for name in list(environment) if _SECRET_VARIABLE.search(name)]
    values = (environment.get(name) for name in names)  # another thread may take a variable out meanwhile
    return _longest_first(_forms(value for value in values if value is not None))


def first_line(error: BaseException) -> str:
    """What an error says before its stack traces begin, and its root cause, secrets masked; Py4J's own first line says nothing.

    >>> first_line(RuntimeError("An error occurred while calling o5.save.\\n: java.io.IOException: disk full\\n\\tat x"))
    'java.io.IOException: disk full'
    >>> first_line(RuntimeError("SparkException: Task failed.\\n\\tat x\\nCaused by: IOException: disk full\\n\\tat y"))
    'SparkException: Task failed. (caused by IOException: disk full)'
    >>> first_line(RuntimeError(f"Thrown in a worker.\\n{TRACEBACK}\\n  File x, line 7\\nOSError: disk full"))
    'Thrown in a worker. (caused by OSError: disk full)'
    >>> first_line(OSError(f"Local error\\n  \\x1b[31m{BRANCH}\\x1b[0m No copy\\n    \\x1b[31m{BRANCH}\\x1b[0m Disk full\\n"))
    'Local error (caused by Disk full)'
    """
    lines = [line.strip(" :\t") for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    readable = [line for line in lines if not line.startswith(JAVA_CALLED)]
    first = (readable or lines or [type(error).__name__])[0]
    # Spark wraps what went wrong in its own words, and says last what it was.
    causes = [line.removeprefix(CAUSED_BY) for line in lines if line.startswith(CAUSED_BY)] + _of_python(str(error))
    causes += [line.removeprefix(BRANCH).strip() for line in lines if line.startswith(BRANCH)]
    root = f" (caused by {causes[-1]})" if causes and causes[-1] not in first else ""
    return mask_secrets(f"{first}{root}")


def _of_python(text: str) -> list[str]:
    """What Python raised, in a worker of Spark's: the line after each of its stack traces, which are indented."""
    *before, last = text.split(TRACEBACK)
    after = last.splitlines() if before else []
    return [line.strip() for line in after if line.strip() and not line[0].isspace()][:1]


def _forms(values: Iterable[str]) -> set[str]:
    """Values long enough to be secrets, and as they stand in addresses."""
    secrets = {value for value in values if len(value) >= SHORTEST_SECRET}
    return {form for value in secrets for form in (value, quote(value, safe=""), quote_plus(value))}


def _longest_first(forms: Iterable[str]) -> list[str]:
    return sorted(forms, key=lambda form: (-len(form), form))


def _without_values(text: str, values: Iterable[str]) -> str:
    for value in values:
        text = text.replace(value, MASK)
    return text


def _address(match: re.Match[str]) -> str:
    scheme, rest = match["scheme"].lower(), match["rest"]
    user, at, place = rest.rpartition("@")
    if not at or (scheme in _CONTAINER_SCHEMES and ":" not in user):
        return match[0]
    if scheme not in _BUCKET_SCHEMES:
        authority = user.partition("/")[0]
        if "@" not in rest.partition("/")[0] and (":" not in authority or _PORT.match(f"{user}/")):
            return match[0]  # an @ of the path: a version, a mail address
        user, _, place = _credentials(rest)
    return f"{match['scheme']}{match['slashes']}{MASK}@{place}"


def _credentials(rest: str) -> tuple[str, str, str]:
    """User information and what follows: up to the last @ before the path, or before the query where a slash is in a password."""
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        user, at, host = authority.rpartition("@")
        return user, at, host + slash + path
    before, mark, query = rest.partition("?")
    user, at, host = before.rpartition("@")
    return user, at, host + mark + query


def _value(match: re.Match[str]) -> str:
    value = match[2]
    marks = value[0] if value[0] in "\"'" and len(value) > 1 else ""
    return match[1] + marks + MASK + marks
