"""The compiled kernel under libFuzzer with the address and undefined-behaviour sanitizers: no report, and no wrong number."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spark_monitor.kernel.native import build
from spark_monitor.kernel.native.library import SIGNATURES
from tests.fuzz import program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SEED, RUNS, RUNS_TO_FIND = 20_261_130, 200_000, 60_000


def fuzzed(made: Path, directory: Path, runs: int) -> subprocess.CompletedProcess[str]:
    return program.run(made, directory / "corpus", f"-runs={runs}", f"-artifact_prefix={directory}/", seed=SEED)


def held(printed: str) -> dict[str, int]:
    """How often each function gave a result that was held against its definition."""
    return {name: int(count) for name, count in re.findall(r"^held (\w+) (\d+)$", printed, re.MULTILINE)}


@pytest.fixture(autouse=True)
def _clang() -> None:
    reason = program.missing()
    if reason:
        pytest.skip(reason)


def test_the_fuzzer_finds_nothing_and_reaches_every_function(tmp_path: Path) -> None:
    done = fuzzed(program.compile_to(tmp_path / "fuzzer"), tmp_path, RUNS)
    print(f"seed {SEED}\n{done.stderr[-1500:]}")
    assert done.returncode == 0, f"seed {SEED}: {done.stderr[-6000:]}"
    counts = held(done.stderr)
    assert counts.keys() == {*SIGNATURES, "refusals"}
    assert min(counts.values()) > RUNS // 1000, counts


def test_every_function_that_is_exported_is_fuzzed() -> None:
    declared = "".join(path.read_text() for path in build.sources())
    exported = set(re.findall(r"^EXPORTED \w+ (sm_\w+)\(", declared, re.MULTILINE))
    assert exported - {"sm_source"} == set(SIGNATURES)
    called = "".join(path.read_text() for path in program.HERE.glob("*.c"))
    assert not [name for name in SIGNATURES if f"= {name}(" not in called]


PLANTED = {
    "a value at an edge is in the cell below": ("slices.c", "value >= grid->edges[rank + 1]", "value > grid->edges[rank + 1]"),
    "an edge counts as a value between edges": ("slices.c", "< SPECIAL) & ~cells[low + lane]", "< SPECIAL)"),
    "a bit of the mask of nulls": ("slices.c", "absent[row] ? CELL_OF_NULL", "(absent[row] & 2) ? CELL_OF_NULL"),
    "sums of the wrong copy": ("slices.c", "moments + place % code_count * MOMENTS", "moments + place / copies * MOMENTS"),
    "the greatest hash is left out": ("slices.c", "hash > highest[code]) continue", "hash >= highest[code]) continue"),
    "no bound of the hashes' room": ("ranked.c", "if (room - found < GROUP) return", "if (room < 0) return"),
    "a heap without its last child": ("ranked.c", "child + 1 < size && values", "child + 2 < size && values"),
    "a heap of other children": ("ranked.c", "(child = 2 * at + 1) < size", "(child = 3 * at + 1) < size"),
    "a value that is not the one of its place": ("counted.c", "|| bits[place] != own; place", "|| bits[place] < own; place"),
    "a run that begins beside the last group": (
        "kernel.c",
        "values[low - 1] == values[low + count - 1]",
        "values[low] == values[low + count - 1]",
    ),
    "a block after the last": (
        "ranked.c",
        "low < size; low += BLOCK) {\n        int64_t count",
        "low <= size; low += BLOCK) {\n        int64_t count",
    ),
    "no hash lies between equal bounds": ("slices.c", "if (lowest[code] > highest[code]", "if (lowest[code] >= highest[code]"),
    "sums of no value": ("kernel.c", "sums[SQUARES] = 0.0;\n    if (size == 0)", "sums[SQUARES] = 1.0;\n    if (size == 0)"),
    "ranks begin beyond the last whole step": ("ranked.c", "offset < whole ? offset : whole", "offset"),
    "one value fewer is frequent": ("ranked.c", "if (until - from < step) continue;", "if (until - from <= step) continue;"),
    "a run that goes on has two hashes": ("kernel.c", "& (row == 0 || values", "& (lane == 0 || values"),
    "the last values have no deviation": ("kernel.c", "lanes[0] += deviation;", "lanes[0] += row & 4 ? 0.0 : deviation;"),
    "values are read beyond the last": ("kernel.c", "if (size == GROUP) return hash", "return hash"),
    "infinities below count as finite": ("kernel.c", "values[low] < -DBL_MAX) low++", "values[low] < -DBL_MAX) high--"),
    "zeros of two signs have two hashes": ("kernel.h", "bits_of(value + 0.0) + UINT64", "bits_of(value) + UINT64"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_fuzzer_finds_a_planted_fault(tmp_path: Path, fault: str) -> None:
    name, right, wrong = PLANTED[fault]
    for path in build.sources():
        shutil.copy(path, tmp_path)
    source = tmp_path / name
    assert source.read_text().count(right) >= 1
    source.write_text(source.read_text().replace(right, wrong, 1))
    done = fuzzed(program.compile_to(tmp_path / "fuzzer", kernel=tmp_path), tmp_path, RUNS_TO_FIND)
    # A function that never gives a result to be held is found by the first test.
    assert done.returncode or not all(held(done.stderr).values()), f"seed {SEED}: not found"
    print(re.findall(r"WRONG NUMBER.*|runtime error.*|ERROR: AddressSanitizer.*|number_of_executed_units: \d+", done.stderr))
