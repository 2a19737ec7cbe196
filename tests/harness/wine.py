"""Wine and the script host, which the tests of VBScript and JScript cannot do without."""

from __future__ import annotations

from functools import cache

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
