r"""What a script's name of a server means: this machine, by any of its names, is what no name at all means.

Sources: libvirt.org/uri.html (aliases in libvirt.conf); the forms in which scripts name a computer, `kvm2`,
`\\kvm2` and `.`, are those of Windows.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_LOCAL = frozenset((".", "localhost", "127.0.0.1", "::1", "[::1]"))
_ALIASES = re.compile(r"^[ \t]*uri_aliases\s*=\s*\[", re.MULTILINE)
_TOKEN = re.compile(r"""\#[^\n]*|"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<end>\])""")


def server_meant(name: str | None) -> str | None:
    r"""The server that a name means; None where it means no certain one: the caller's default, else libvirt's.

    Args:
        name: A libvirt URI, an alias of libvirt.conf, or a host name, `\\kvm2` too. `.`, localhost, its addresses
            and this host's own name, in any case, mean no certain server, unless libvirt has an alias of that name.
    """
    if not name:
        return None
    bare = name.removeprefix("\\\\") or name
    return None if _is_here(bare) and bare not in _aliases() else bare


def _is_here(name: str) -> bool:
    if "/" in name:
        return False  # a URI, as nearly every server is named: it needs none of what follows
    import socket

    own = socket.gethostname().lower()
    return name.lower() in (_LOCAL | ({own, own.partition(".")[0]} - {""}))


def _aliases() -> set[str]:
    """The aliases of the libvirt.conf that libvirt reads for this user."""
    own = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    folder = Path("/etc" if os.geteuid() == 0 else own)
    try:
        text = (folder / "libvirt" / "libvirt.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()  # libvirt reads it as well, and says what is wrong with it when it opens
    found: set[str] = set()
    for begin in _ALIASES.finditer(text):
        for token in _TOKEN.finditer(text, begin.end()):
            if token["end"]:
                break
            alias, equals, _uri = (token["double"] or token["single"] or "").partition("=")
            if equals:
                found.add(alias)
    return found
