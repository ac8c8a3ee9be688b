"""What the figures depend on besides the code: the machine and the versions."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from studies.execution.environment import environment


def cpu_model() -> str:
    """Name of the processor, as the operating system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe(distributions: Iterable[str]) -> dict[str, str]:
    """Describe the machine and the installed versions of `distributions`, in words for a table's foot."""
    versions = {"Python": platform.python_version()}
    for name in distributions:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "BLAS": environment()["blas"],
    }
