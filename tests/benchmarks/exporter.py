"""Debian's prometheus-libvirt-exporter, unpacked and not installed, on loopback."""

from __future__ import annotations

import re
import tempfile
import urllib.request
from pathlib import Path

from tests.harness import packages
from tests.harness.daemon import free_port
from tests.harness.process import Daemon

PACKAGE = "prometheus-libvirt-exporter"
_SAMPLE = re.compile(r"^libvirt_domain_interface_stats_(receive|transmit)_bytes_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Numbers = dict[tuple[str, str], tuple[int, int]]


def obtain() -> Path:
    """Download and unpack it."""
    return packages.obtain(PACKAGE)


class Exporter(Daemon):
    """The exporter in the foreground, serving one libvirt URI."""

    def __init__(self, uri: str) -> None:
        found = packages.find(PACKAGE)
        if found is None:
            raise packages.PackageError(f"{PACKAGE} is not in the cache of packages")
        self._folder = tempfile.TemporaryDirectory(prefix="vpcshim-bench-")
        self.version = found.name.rpartition("_")[2]
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/metrics"
        super().__init__(
            [str(found / "usr/bin" / PACKAGE), f"--web.listen-address=127.0.0.1:{port}", f"--libvirt.uri={uri}"],
            log=Path(self._folder.name) / "exporter.log",
            ready=lambda: bool(self.scrape()),
        )

    def scrape(self) -> str:
        """One scrape, as Prometheus does it."""
        with urllib.request.urlopen(self.url, timeout=60) as answer:
            text: bytes = answer.read()
        return text.decode()

    @staticmethod
    def numbers(text: str) -> Numbers:
        """(received, sent) of every (domain, host device) in a scrape."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        for direction, labels, value in _SAMPLE.findall(text):
            label = dict(_LABEL.findall(labels))
            found.setdefault((label["domain"], label["target_device"]), {})[direction] = int(float(value))
        return {key: (both["receive"], both["transmit"]) for key, both in found.items()}

    def close(self) -> None:
        """End it."""
        try:
            self.stop()
        finally:
            self._folder.cleanup()
