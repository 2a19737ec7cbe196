"""The machine that the numbers are from."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import libvirt

from tests.harness import needs


def describe() -> dict[str, Any]:
    """What a reader needs to compare; nothing that names the machine."""
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cpu": f"{_field('/proc/cpuinfo', 'model name')}{', virtual' if _is_virtual() else ''}",
        "cores": os.cpu_count(),
        "memory_gib": round(memory / (1 << 20)),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "kernel": platform.release(),
        "libvirt": _version(libvirt.getVersion()),
        "qemu": _first_line("qemu-system-x86_64", "--version"),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _is_virtual() -> bool:
    return "hypervisor" in _field("/proc/cpuinfo", "flags").split()


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        label, _, value = line.partition(":")
        if label.strip() == name:
            return value.strip()
    return "unknown 0"


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _first_line(program: str, *arguments: str) -> str:
    found = needs.find_program(program)
    if found is None:
        return "not installed"
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.partition("\n")[0]
