"""Makes and runs the fuzzer: the kernel's C files with clang's sanitizers and coverage, and the harness beside this file.

Only the kernel is compiled for coverage, so that an input is kept where the kernel did something new.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from spark_monitor.kernel.native import build

HERE = Path(__file__).resolve().parent
SANITIZERS = "address,undefined"
FLAGS = ("-std=c11", "-O2", "-g", "-ffp-contract=off", "-fno-sanitize-recover=all", *build.WARNINGS)
KERNEL_FLAGS = ("-DSM_DEPTH=1", "-include", str(HERE / "processor.h"), "-fno-sanitize-coverage=trace-cmp")
"""A quicksort that gives up after one division, so that the heap is seen, and a processor that the input chooses."""

LONGEST, SEEDS = 1024, 140
PROGRAM = "int LLVMFuzzerTestOneInput(const char *bytes, unsigned long size) { return bytes && size ? 0 : 0; }"


@cache
def missing() -> str | None:
    """Why the fuzzer cannot be made here; None where it can."""
    clang = shutil.which("clang")
    if clang is None:
        return "The fuzzer needs clang, which is not here (on Debian 12: apt-get install clang libclang-rt-14-dev)."
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        command = [clang, f"-fsanitize=fuzzer,{SANITIZERS}", "-x", "c", "-", "-o", f"{name}/tried"]
        tried = subprocess.run(command, input=PROGRAM, capture_output=True, text=True, check=False)
    if tried.returncode:
        first = next(iter(tried.stderr.splitlines()), "no message")
        return f"clang has no libFuzzer here (on Debian 12: apt-get install libclang-rt-14-dev): {first}"
    return None


def compile_to(target: Path, *, kernel: Path = build.HERE, sanitizers: str = SANITIZERS) -> Path:
    """Compile the kernel's C files, of another directory where one is given, and the harness into one program."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        objects = []
        for folder, more in ((kernel, ["-fsanitize=fuzzer-no-link", *KERNEL_FLAGS]), (HERE, [])):
            for source in sorted(folder.glob("*.c")):
                made = f"{name}/{len(objects)}.o"
                _clang(*FLAGS, f"-fsanitize={sanitizers}", *more, "-c", str(source), "-o", made)
                objects.append(made)
        _clang(f"-fsanitize=fuzzer,{sanitizers}", *objects, "-o", str(target))
    return target


def run(program: Path, corpus: Path, *limits: str, seed: int, capture: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer from a few random inputs for every function, and those that ``corpus`` has, which is added to."""
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        drawn = random.Random(seed)
        for place in range(SEEDS):
            (Path(name) / f"{place}").write_bytes(bytes([place]) + drawn.randbytes(drawn.choice([4, 30, 120, 400])))
        limited = (f"-seed={seed}", f"-max_len={LONGEST}", "-len_control=20", "-timeout=60", "-print_final_stats=1", *limits)
        return subprocess.run([str(program), *limited, str(corpus), name], capture_output=capture, text=True, check=False)


def _clang(*arguments: str) -> None:
    done = subprocess.run(["clang", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"clang {' '.join(arguments)}\n{done.stderr}")
