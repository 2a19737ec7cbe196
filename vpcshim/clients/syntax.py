"""What Wine's engine says of a script's syntax: it reads the script, and runs none of it."""

from __future__ import annotations

from vpcshim.clients.calls import Calls
from vpcshim.clients.scripting.channel import HostGone
from vpcshim.clients.scripting.frames import BadFrame
from vpcshim.clients.scripting.language import Prepared
from vpcshim.clients.scripting.session import Session
from vpcshim.clients.scripts import described
from vpcshim.clients.wine.installation import NoWine
from vpcshim.clients.wine.process import HostProcess


class NotRead(Exception):
    """No engine has read the script; the message says why."""


def wrong(engine: int, prepared: Prepared) -> str | None:
    """What the engine refuses, as `(line, column): what`, or `: what`; None where it takes the script.

    Args:
        engine: VBSCRIPT or JSCRIPT.
        prepared: The script.

    Raises:
        NotRead: There is no engine here, or it failed.
    """
    try:
        with HostProcess() as host:
            session = Session(host.channel, host.secret, Calls(), engine)
            error = session.run("script", "", prepared.text, {}, reads=True).error
    except NoWine as missing:
        raise NotRead(str(missing)) from missing
    except (HostGone, BadFrame) as failed:
        raise NotRead(f"the script engine failed: {failed}") from failed
    if error is None:
        return None
    line, column = prepared.place(error.line, error.column)
    where = f"({line}, {column})" if error.line else ""
    return f"{where}: {described(error)}"
