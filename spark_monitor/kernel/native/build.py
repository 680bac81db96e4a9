"""Compiles the C files beside it into one library, with the system's C compiler or the one that the package ziglang brings.

Run by ``make setup``, by the build of a wheel, or by hand: ``python -m spark_monitor.kernel.native.build``. It uses the standard
library alone and imports nothing of this package, since a wheel is built where numpy may be missing. No compiler is no error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from platform import libc_ver

HERE = Path(__file__).resolve().parent
LIBRARY = HERE / ("kernel.dll" if sys.platform == "win32" else "kernel.so")
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fvisibility=hidden", "-s")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
"""What tests add: a warning that another compiler has is no reason to do without the library."""

SECONDS = 120
OLDEST_GLIBC = (2, 17)
"""What a wheel claims at least; manylinux knows no older one for 64-bit ARM."""


def main() -> int:
    """Compile unless the library is there already; the exit code is 0 whatever comes of it."""
    print(compiled())
    return 0


def compiled() -> str:
    """What came of it, as a sentence; what is compiled from the present source already is left alone."""
    if is_current(LIBRARY):
        return "The compiled kernel is ready."
    reasons = []
    for command in compilers():
        try:
            compile_to(LIBRARY, command)
            return f"Compiled the kernel with {' '.join(command)}."
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(f"{' '.join(command)}: {first_line(error)}")
    LIBRARY.unlink(missing_ok=True)
    why = "; ".join(reasons) or "there is no C compiler (cc, or the package ziglang)"
    return f"The kernel is not compiled, numpy does its work: {why}."


def first_line(error: Exception) -> str:
    """What a compiler said first, or the error itself."""
    output = getattr(error, "stderr", None)
    lines = [line for line in (output or str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def compilers() -> Iterator[Sequence[str]]:
    """The commands that may be a C compiler: ``CC``, the system's, zig's."""
    compiler = os.environ.get("CC", "").split()
    if compiler:
        yield compiler
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            yield [path]
            break
    if importlib.util.find_spec("ziglang") is not None:
        yield [sys.executable, "-m", "ziglang", "cc"]


def compile_to(target: Path, command: Sequence[str], *more: str) -> None:
    """Compile into a file of its own, then put it in place at once: another process may be loading the old one."""
    stamp, units = f"-DSM_SOURCE={source_stamp()}u", [str(path) for path in sources() if path.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".compiling-") as directory:
        made = Path(directory) / target.name
        subprocess.run(
            [*command, *FLAGS, stamp, *more, *units, "-o", str(made)],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        os.replace(made, target)


def sources() -> list[Path]:
    """What the library is made of, headers too."""
    return sorted(path for path in HERE.iterdir() if path.suffix in (".c", ".h"))


def source_stamp() -> int:
    """The CRC-32 of the sources, which the library knows of itself."""
    return zlib.crc32(b"".join(path.read_bytes() for path in sources()))


def is_current(library: Path) -> bool:
    """Whether the library was compiled from the present source for this machine and can be loaded."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        source = ctypes.CDLL(str(library)).sm_source
        source.restype = ctypes.c_uint32
        return bool(source() == source_stamp())
    return False


def wheel_platform(library: Path) -> str:
    """The platform tag of a wheel that carries the library: on Linux by the newest symbols of glibc that it asks for."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if not sys.platform.startswith("linux") or libc_ver()[0] != "glibc":
        return platform
    versions = [tuple(map(int, version)) for version in re.findall(rb"GLIBC_(\d+)\.(\d+)", library.read_bytes())]
    major, minor = max([*versions, OLDEST_GLIBC])
    return f"manylinux_{major}_{minor}_{platform.removeprefix('linux_')}"


if __name__ == "__main__":
    sys.exit(main())
