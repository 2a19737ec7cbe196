"""What of a .vmc file is ours: the definition that a machine had, sealed against everybody else's pen.

A definition can name any program and any file of the host, so it is taken from a .vmc only when this user wrote it
there and nobody changed the file since: an HMAC over all of its values, with a key of 32 random bytes that is kept
beside the user's preferences. Any other .vmc is read as one of the products', for its hardware alone.

The keys, below `vpcshim`: `definition` (the domain XML, string), `autostart` (boolean), `seal` (bytes).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from contextlib import suppress
from pathlib import Path

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.migrate.vmc import Values
from vpcshim.model import hostfiles
from vpcshim.model.preferences import folder
from vpcshim.values import Value

ROOM = "vpcshim/"
_DEFINITION, _AUTOSTART, _SEAL = f"{ROOM}definition", f"{ROOM}autostart", f"{ROOM}seal"
_SIZE = 32  # bytes


def sealed(values: Values, definition: str, *, autostart: bool) -> dict[str, Value]:
    """The values of a .vmc with the definition among them, sealed.

    Raises:
        Failure: The key cannot be read or made.
    """
    found: dict[str, Value] = {**values, _DEFINITION: definition, _AUTOSTART: autostart}
    found[_SEAL] = _seal(found, _key(make=True))
    return found


def has(values: Values) -> bool:
    """Whether a .vmc brings a definition at all, whoever wrote it."""
    return _DEFINITION in values


def opened(values: Values) -> tuple[str, bool] | None:
    """The definition in a .vmc and whether the machine was to start by itself; None where it has none of ours.

    Raises:
        Failure: The key cannot be read.
    """
    seal, definition = values.get(_SEAL), values.get(_DEFINITION)
    if not isinstance(seal, bytes) or not isinstance(definition, str):
        return None
    key = _key(make=False)
    if not key or not hmac.compare_digest(seal, _seal(values, key)):
        return None
    return definition, values.get(_AUTOSTART) is True


def _seal(values: Values, key: bytes) -> bytes:
    # The version is the file's, not a value.
    held = [
        (name, type(value).__name__, value.hex() if isinstance(value, bytes) else value)
        for name, value in sorted(values.items())
        if name not in (_SEAL, "version")
    ]
    return hmac.digest(key, json.dumps(held).encode(), hashlib.sha256)


def _key(*, make: bool) -> bytes:
    """The key of this user; b"" where there is none and none is to be made."""
    path = folder() / "seal.key"
    try:
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path)
        key = hostfiles.read(path, _SIZE)
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise _failed(path, str(error)) from error
    if len(key) != _SIZE:
        raise _failed(path, f"it has {len(key)} bytes, not {_SIZE}; remove it to have a new one made")
    return key


def _create(path: Path) -> None:
    with suppress(FileExistsError):  # another process was faster: its key is as good
        hostfiles.create(path, secrets.token_bytes(_SIZE), mode=0o600)


def _failed(path: Path, why: str) -> Failure:
    return Failure(HRESULT.DISP_E_EXCEPTION, f"the key for .vmc files cannot be read from {path}: {why}")
