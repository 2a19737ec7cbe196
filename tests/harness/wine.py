"""Wine and the script host, which the tests of VBScript and JScript cannot do without."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.harness.needs import missing
from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.installation import NoWine


@cache
def _why_not() -> str | None:
    try:
        installation.find()
        program.path()
    except NoWine as error:
        return str(error)
    return None


def need_wine() -> None:
    """Skip the test where scripts cannot be run, or fail it where everything is required."""
    why = _why_not()
    if why is not None:
        missing(why)


def end_servers(cache_home: Path) -> None:
    """End the wineservers whose folders are in that cache."""
    for prefix in cache_home.glob("vpcshim/wine-*"):
        server = installation.find().server
        if server is not None:
            environment = {**os.environ, "WINEPREFIX": str(prefix)}
            subprocess.run([server, "-k"], env=environment, timeout=60, check=False, capture_output=True)
