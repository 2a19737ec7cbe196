"""The preferences of the current user, which belong to the application and not to a machine.

Each product has a file of its own in `$XDG_CONFIG_HOME/vpcshim` (`~/.config/vpcshim` where that is not set):
`virtual-server-2005.json`, `windows-virtual-pc.json`. It is read at every question, so that every process sees
what the others set, and replaced as a whole. Keys are written like those of .vmc files:
`virtual_machines/default_path`, `search_paths/path[@id=1]`.

Source of the folder: the XDG base directory specification.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.model import hostfiles
from vpcshim.values import Value

_LARGEST = 1 << 20  # bytes


def home() -> Path:
    """Where the programs of the current user keep their configuration."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(configured) if os.path.isabs(configured) else Path.home() / ".config"


def folder() -> Path:
    """Where the preferences of the current user are kept."""
    return home() / "vpcshim"


class Preferences:
    """The preferences of the current user for one product; holds nothing itself.

    Every method raises `Failure` when the file cannot be read, is none of ours, or cannot be written:
    DISP_E_EXCEPTION (E_ACCESSDENIED, E_DISK_FULL where the member's page lists them), with its path.
    """

    def __init__(self, product: Product) -> None:
        self.file = folder() / f"{product.value}.json"

    def get(self, key: str) -> Value | None:
        """The value of that key; None for none."""
        return self.all().get(key)

    def set(self, key: str, value: Value) -> None:
        """Keep a value under that key: a `str`, `bool`, `int` or `bytes`, and as such it is handed out again."""
        self.change(lambda values: values.update({key: value}))

    def remove(self, key: str) -> bool:
        """Forget the value of that key; whether there was one."""
        found: list[Value | None] = []
        self.change(lambda values: found.append(values.pop(key, None)))
        return found[0] is not None

    def all(self) -> dict[str, Value]:
        """Every value by its key."""
        import json

        what = f"the preferences cannot be read from {self.file}"
        try:
            data = hostfiles.read(self.file, _LARGEST)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._failed(what, error) from error
        try:
            return {key: _value(*held) for key, held in json.loads(data).items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            text = f"{what}: {error}; mend it, or remove it to begin anew"
            raise Failure(HRESULT.DISP_E_EXCEPTION, text) from error

    def change(self, of: Callable[[dict[str, Value]], object]) -> None:
        """Let `of` change the values in place, in one step: other processes see all of the change or none."""
        import json

        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with hostfiles.locked(self.file.with_suffix(".lock")):
                values = self.all()
                of(values)
                data = json.dumps({key: _written(value) for key, value in values.items()}, indent=1).encode()
                if len(data) > _LARGEST:  # it could not be read any more
                    text = (
                        f"{self.file} would have {len(data)} bytes, and {_LARGEST} is the most: remove some values"
                    )
                    raise Failure(HRESULT.E_INVALIDARG, text)
                hostfiles.replace(self.file, data)
        except OSError as error:
            raise self._failed(f"the preferences cannot be kept in {self.file}", error) from error

    @staticmethod
    def _failed(what: str, error: OSError | ValueError) -> Failure:
        if isinstance(error, OSError):
            return hostfiles.failure_of(error, what)
        return Failure(HRESULT.DISP_E_EXCEPTION, f"{what}: {error}")


def _written(value: Value) -> tuple[str, str | bool | int]:
    if isinstance(value, bytes):
        return "bytes", value.hex().upper()
    if isinstance(value, bool):
        return "boolean", value
    return ("integer" if isinstance(value, int) else "string"), value


def _value(kind: str, value: Any) -> Value:
    if kind == "bytes" and isinstance(value, str):
        return bytes.fromhex(value)
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no value of type {kind!r}")
