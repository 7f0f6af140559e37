"""Describes this machine, without which no figure is meaningful."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from performance_parts import envelopes
from performance_parts.stage import CHECKOUT, START


def description() -> dict[str, Any]:
    """Return processor, memory, kernel, interpreters, limits, load."""
    return {
        "processor": _found(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.processor(),
        "cpus": os.cpu_count(),
        "memory_mb": int(_found(r"MemTotal: *(\d+)", "/proc/meminfo") or 0) // 1_024,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": _said([START, "-c", "import sys; print(sys.version.split()[0])"]),
        "node": _said([shutil.which("node") or "node", "--version"]),
        "limits": envelopes.facts(),
        "load": round(os.getloadavg()[0], 1),
        "commit": _said(["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _found(pattern: str, file: str) -> str:
    match = re.search(pattern, Path(file).read_text())
    return match[1] if match else ""


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    except OSError:
        return ""
    return done.stdout.strip()
