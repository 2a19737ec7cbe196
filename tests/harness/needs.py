"""Skip or fail: what happens when a test needs something this machine does not have.

On a developer's machine a missing program is no reason to fail, so the test is skipped and says why.  In CI a skip
would look like a pass, so there (``VPCSHIM_REQUIRE_ALL=1``) the same condition is a failure.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

#: Where daemons live that a user's PATH often leaves out.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def everything_required() -> bool:
    """True where a skip counts as a failure."""
    return os.environ.get("VPCSHIM_REQUIRE_ALL") == "1"


def missing(reason: str) -> NoReturn:
    """Skip the test with ``reason``, or fail it where everything is required."""
    if everything_required():
        pytest.fail(f"VPCSHIM_REQUIRE_ALL=1, and {reason}", pytrace=False)
    pytest.skip(reason)


def find_program(name: str) -> str | None:
    """The path of a program, looked up in PATH and in the system folders."""
    return shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)


def program(name: str, package: str) -> str:
    """The path of a program the test cannot do without."""
    found = find_program(name)
    if found is None:
        missing(f"{name} is not installed (Debian package {package})")
    return found
