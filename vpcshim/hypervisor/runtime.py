"""The folder where the processes of one user meet, for locks: of this boot, and the user's alone.

It is not told by the environment (`XDG_RUNTIME_DIR`, `TMPDIR`), which a job of cron's and a login of the same user
have differently: each would hold a lock of its own.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def folder() -> Path:
    """The folder, which is made where it is missing.

    Raises:
        OSError: It cannot be made, or somebody else was there first.
    """
    user = os.geteuid()
    own = Path("/run") if user == 0 else Path(f"/run/user/{user}")
    found = own / "vpcshim" if own.is_dir() else Path(f"/tmp/vpcshim-{user}")
    found.mkdir(mode=0o700, exist_ok=True)
    held = found.lstat()
    if held.st_uid != user or not stat.S_ISDIR(held.st_mode):
        raise PermissionError(1, f"{found} belongs to somebody else")
    return found
