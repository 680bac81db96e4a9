"""A standalone Spark cluster on loopback: a master and workers as processes of pyspark's own distribution."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

from spark_monitor.java import use_java
from spark_monitor.session import worker_environment

HOST = "127.0.0.1"
SPARK_HOME = Path(pyspark.__file__).parent
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
STARTED_SECONDS = 90.0


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """What every process of the cluster needs: Spark's home, its Java, and this Python for its workers."""
    use_java()
    own = {"SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": HOST, "PYSPARK_PYTHON": sys.executable}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # With other instructions numpy's logarithms differ in their last bit.
    return {**os.environ, **worker_environment(), **own, "PYSPARK_DRIVER_PYTHON": sys.executable, "PATH": path}


@dataclass
class Cluster:
    """The master's address and the processes."""

    directory: Path
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def master(self) -> str:
        """What ``--master`` takes."""
        return f"spark://{HOST}:{self.port}"

    def start(self, name: str, *command: str, variables: Mapping[str, str] | None = None) -> None:
        """Start a process in a group of its own, so that it can be ended with whatever it has started."""
        own = {**environment(), **(variables or {})}
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=own, start_new_session=True)
        self.processes[name] = process

    def start_class(self, name: str, *arguments: str) -> None:
        """Start one of Spark's own programs."""
        self.start(name, str(SPARK_HOME / "bin" / "spark-class"), *arguments)

    def kill(self, name: str) -> None:
        """End a process and all it has started, as the machine's end would."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_for(self, name: str, text: str) -> None:
        """Until a process's log says something."""
        deadline = time.monotonic() + STARTED_SECONDS
        log = self.directory / f"{name}.log"
        while text not in log.read_text(encoding="utf-8", errors="replace"):
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                raise AssertionError(f"{name} did not say {text!r}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.3)


@contextmanager
def cluster(directory: Path, *, workers: int) -> Iterator[Cluster]:
    """A running cluster of workers with one core each."""
    found = Cluster(directory)
    try:
        found.start_class("master", MASTER, "--host", HOST, "--port", str(found.port), "--webui-port", str(free_port()))
        found.wait_for("master", "I have been elected leader")
        for number in range(workers):
            name, room = f"worker{number}", directory / f"work{number}"
            ports = ("--host", HOST, "--webui-port", str(free_port()))
            found.start_class(name, WORKER, *ports, "--cores", "1", "--memory", "1g", "--work-dir", str(room), found.master)
            found.wait_for(name, "Successfully registered with master")
        yield found
    finally:
        for name in list(found.processes):
            found.kill(name)
