"""What a caller may choose of a connection and of how it counts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vpcshim.hypervisor.connection import DEFAULT_TIMEOUT, check_timeout
from vpcshim.hypervisor.opening import is_local
from vpcshim.hypervisor.servernames import server_meant
from vpcshim.model.paths import DriveMap


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The options of `CreateObject`.

    Attributes:
        uri: A libvirt URI, an alias of libvirt.conf's `uri_aliases`, or a host name (`qemu+ssh://HOST/system`).
            None: the environment's VPCSHIM_URI, else libvirt's own default; a name of this very machine
            (".", "localhost", its host name) means the same, and becomes None.
        unreadable_nics: What a NIC without counters does to the sum over all NICs: "error" makes the whole
            property fail and name it, "skip" sums the others.
        raw_counters: True gives libvirt's counters as they are, without starting at zero on a reset.
        timeout: Seconds, 1 to 86400, after which a daemon that does not answer is given up.
        freshness: Seconds for which one look at all machines' network counters may serve the reads of each;
            0 reads each machine at the moment it is asked for.
        drives: Which folder of the host each drive letter of a script's paths stands for, as
            {"C:": "/srv/vm"}. None: the environment's VPCSHIM_DRIVES (`C:=/srv/vm;D:=/data`), else no drive.
    """

    uri: str | None = None
    unreadable_nics: Literal["error", "skip"] = "error"
    raw_counters: bool = False
    timeout: float = DEFAULT_TIMEOUT
    freshness: float = 0.0
    drives: Mapping[str, str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        """Refuse what would otherwise surface as something else later."""
        if self.uri is not None and not isinstance(self.uri, str):
            raise TypeError(f"a server is named by a string, not by {self.uri!r}")
        object.__setattr__(self, "uri", server_meant(self.uri))
        for name in ("timeout", "freshness"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} is a number of seconds, not {value!r}")
        if not isinstance(self.raw_counters, bool):
            raise TypeError(f"raw_counters is True or False, not {self.raw_counters!r}")
        if self.drives is not None:
            if not isinstance(self.drives, Mapping):
                raise TypeError(f'drives is a mapping, as {{"C:": "/srv/vm"}}, not {self.drives!r}')
            DriveMap(self.drives)
        if self.unreadable_nics not in ("error", "skip"):
            raise ValueError(f'unreadable_nics is "error" or "skip", not {self.unreadable_nics!r}')
        check_timeout(self.timeout)
        if not self.freshness >= 0:
            raise ValueError(f"freshness is 0 or more seconds, not {self.freshness!r}")

    def server(self) -> str | None:
        """The server that these options mean, VPCSHIM_URI's where they name none; None: libvirt's own default."""
        return self.uri or server_meant(os.environ.get("VPCSHIM_URI"))

    def names_this_machine(self) -> bool:
        """Whether the server is on this machine, as far as its name tells: an alias or a host name may be any."""
        server = self.server() or os.environ.get("LIBVIRT_DEFAULT_URI")
        return not server or (":/" in server and is_local(server))

    def drive_map(self) -> DriveMap:
        """The drive map that these options mean.

        Raises:
            ValueError: VPCSHIM_DRIVES is no drive map.
        """
        if self.drives is not None:
            return DriveMap(self.drives)
        return DriveMap.parsed(os.environ.get("VPCSHIM_DRIVES", ""))
