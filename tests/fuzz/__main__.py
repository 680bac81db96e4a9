"""Fuzz the compiled kernel for longer: ``python -m tests.fuzz --seconds 1200``; what it learns stays in ``--corpus``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz import program


def main() -> int:
    """The fuzzer's exit code, 0 where it found nothing; 2 where it cannot be made here."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=1200, help="how long (default %(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31), help="default: drawn anew")
    parser.add_argument("--corpus", type=Path, help="a directory of inputs that is read and added to (default: a temporary one)")
    parser.add_argument("--sanitizers", default=program.SANITIZERS, help="of clang (default %(default)s; memory is another)")
    options = parser.parse_args()
    reason = program.missing()
    if reason:
        print(reason, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        corpus = options.corpus or Path(name) / "corpus"
        made = program.compile_to(Path(name) / "fuzzer", sanitizers=options.sanitizers)
        print(f"seed {options.seed}, corpus {corpus}", flush=True)
        limits = (f"-max_total_time={options.seconds}", f"-artifact_prefix={Path.cwd()}/")
        return program.run(made, corpus, *limits, seed=options.seed, capture=False).returncode


if __name__ == "__main__":
    sys.exit(main())
