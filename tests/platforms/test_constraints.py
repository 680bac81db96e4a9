"""The wheel beside the packages that platforms bring: their listed versions are within its bounds, and a solution is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from matrix import MATRIX, Versions, asked, pip_settings
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
NO_NETWORK = ("error sending request", "dns error", "Could not connect", "No route to host", "timed out")


@dataclass(frozen=True)
class Platform:
    """What a platform's release notes list of the packages that the wheel needs, and of those that they need."""

    python: str
    packages: str
    replaced: tuple[str, ...] = ()
    """Packages whose listed version pip replaces in the job's own environment."""


OLD = (
    "click==8.0.4 jinja2==3.1.2 markupsafe==2.1.1 numpy==1.23.5 packaging==23.2 pandas==1.5.3 pyarrow==14.0.1 pydantic==1.10.6 "
    "python-dateutil==2.8.2 pytz==2022.7 PyYAML==6.0 scipy==1.11.1 six==1.16.0 tenacity==8.2.2 typing-extensions==4.10.0"
)
MIDDLE = (
    "click==8.1.7 jinja2==3.1.4 markupsafe==2.1.3 numpy==1.26.4 packaging==24.1 pandas==1.5.3 pyarrow==15.0.2 pydantic==2.8.2 "
    "pydantic-core==2.20.1 python-dateutil==2.9.0.post0 pytz==2024.1 PyYAML==6.0.1 scipy==1.13.1 six==1.16.0 tenacity==8.2.2 "
    "typing-extensions==4.11.0"
)
NEW = (
    "click==8.1.7 jinja2==3.1.5 markupsafe==3.0.2 numpy==2.1.3 packaging==24.2 pandas==2.2.3 pyarrow==19.0.1 pydantic==2.10.6 "
    "pydantic-core==2.27.2 python-dateutil==2.9.0.post0 pytz==2024.1 PyYAML==6.0.2 rich==13.9.4 scipy==1.15.1 six==1.16.0 "
    "tenacity==9.0.0 typing-extensions==4.12.2"
)
REPLACED = ("pydantic", "scipy", "typing-extensions")
"""Pydantic 2 and scipy's isotonic regression are needed; numpy, pandas and pyarrow stay as the platform's Spark knows them."""

OF_TERMINALS = ("rich", "typer")
PLATFORMS = {
    "DBR 15.4": Platform("3.11", OLD, replaced=REPLACED),
    "DBR 15.4 ML": Platform("3.11", f"{OLD} rich==13.7.1 typer==0.9.4", replaced=(*REPLACED, *OF_TERMINALS)),
    "serverless 2": Platform("3.11", OLD, replaced=REPLACED),
    "DBR 16.4": Platform("3.12", MIDDLE),
    "DBR 16.4 ML": Platform("3.12", f"{MIDDLE} rich==13.3.5 shellingham==1.5.4 typer==0.15.2", replaced=OF_TERMINALS),
    "serverless 3": Platform("3.12", MIDDLE),
    "DBR 17.3": Platform("3.12", NEW),
    "DBR 17.3 ML": Platform("3.12", f"{NEW} shellingham==1.5.4 typer==0.19.2"),
    "serverless 4": Platform("3.12", NEW),
}
"""On EMR a job brings its packages in an environment of its own (docs/platforms.md): nothing there is shared with it."""


def needed() -> dict[str, Requirement]:
    """What the wheel requires, without extras."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {found.name.lower(): found for found in map(Requirement, project["dependencies"])}


def listed(platform: Platform) -> dict[str, Requirement]:
    found = {one.name.lower(): one for one in map(Requirement, platform.packages.split())}
    return {name: one for name, one in found.items() if name not in platform.replaced}


def by_uv(arguments: Sequence[str | Path], *, given: str | None = None) -> str:
    """What uv prints; the test is left out where no index is reached."""
    done = subprocess.run(
        [UV, *arguments], input=given, capture_output=True, text=True, timeout=1500, env={**os.environ, **pip_settings()}
    )
    if any(sign in done.stderr for sign in NO_NETWORK):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PLATFORMS)
def test_what_the_platform_brings_is_within_the_wheels_bounds(name: str) -> None:
    brought, required = listed(PLATFORMS[name]), needed()
    refused = {
        package: (str(one.specifier), str(required[package].specifier))
        for package, one in brought.items()
        if package in required and not required[package].specifier.contains(next(iter(one.specifier)).version)
    }
    assert refused == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLATFORMS)
def test_a_solution_is_found_that_leaves_the_platforms_packages_as_they_are(name: str, tmp_path: Path) -> None:
    platform = PLATFORMS[name]
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(map(str, listed(platform).values())), encoding="utf-8")
    sys.path.insert(0, str(Path(__file__).parent))

    command = ["pip", "compile", "--no-config", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url"]
    arguments = ("--python-version", platform.python, "--constraint", constraints, "-")
    solved = by_uv([*command, *arguments], given="\n".join(map(str, needed().values())))
    found = {one.name.lower(): str(one.specifier) for one in map(Requirement, solved.split())}
    kept = {package: str(one.specifier) for package, one in listed(platform).items() if package in found}
    assert kept.items() <= found.items()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("versions", MATRIX, ids=lambda versions: versions.name)
def test_every_environment_of_the_matrix_has_a_solution(versions: Versions, tmp_path: Path) -> None:
    asked_for = asked(versions, tmp_path)
    options, packages = asked_for[:4], asked_for[4:]
    command = ["pip", "compile", "--no-config", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url"]
    arguments = ("--python-version", versions.python or "3.11", *options, "-")
    solved = by_uv([*command, *arguments], given="\n".join(map(str, packages)))
    assert {f"pyspark=={versions.spark}", f"delta-spark=={versions.delta}"} <= set(re.findall(r"^[\w.-]+==[^\s;]+", solved, re.M))
