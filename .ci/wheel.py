"""Hatch's hook for the wheel: where a C compiler is there, the compiled kernel goes along, and the wheel is this platform's.

``SPARK_MONITOR_KERNEL=numpy`` builds the wheel for every platform, without it; ``native`` refuses to build one without.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("spark_monitor") / "kernel" / "native"


class KernelHook(BuildHookInterface):
    """Compiles the kernel before the wheel is packed; an editable installation leaves that to ``make setup``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library, and say which platform the wheel is for."""
        choice = os.environ.get("SPARK_MONITOR_KERNEL")
        if version == "editable" or choice == "numpy":
            return
        build = _build_module(Path(self.root))
        told = build.compiled()
        self.app.display_info(told)
        if choice == "native" and not build.is_current(build.LIBRARY):
            raise SystemExit(told)
        if build.is_current(build.LIBRARY):
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{build.wheel_platform(build.LIBRARY)}"
            build_data["force_include"][str(build.LIBRARY)] = str(NATIVE / build.LIBRARY.name)


def _build_module(root: Path) -> ModuleType:
    """``build.py`` by its path: the package itself cannot be imported where only hatchling is installed."""
    spec = importlib.util.spec_from_file_location("kernel_build", root / NATIVE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
