"""The folders that the application looks for files in, as the current user prefers them; and what is in them.

They are kept as preferences (`model.preferences`), as paths of the host. The keys are ours: the products keep these
in places that are not documented.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.model.preferences import Preferences
from vpcshim.values import Value

logger = logging.getLogger(__name__)

_DEFAULT_FOLDER = "virtual_machines/default_path"
_SEARCH = "search_paths/path[@id="
_NAMES = {Product.VIRTUAL_SERVER: "Shared Virtual Machines", Product.VIRTUAL_PC: "Virtual Machines"}
NETWORKS = "Shared Virtual Networks"
_DEEPEST = 8  # folders below one that is searched


def data_folder() -> Path:
    """Where this user's machines go by default: `$XDG_DATA_HOME/vpcshim`, `~/.local/share/vpcshim` without."""
    configured = os.environ.get("XDG_DATA_HOME", "")
    return (Path(configured) if os.path.isabs(configured) else Path.home() / ".local/share") / "vpcshim"


def default_folder(product: Product) -> Path:
    """DefaultVMConfigurationPath, as a folder of the host; it need not be there until something is made in it."""
    kept = Preferences(product).get(_DEFAULT_FOLDER)
    return Path(kept) if isinstance(kept, str) and os.path.isabs(kept) else data_folder() / _NAMES[product]


def set_default_folder(product: Product, folder: Path) -> None:
    """Prefer that folder, which is there."""
    Preferences(product).set(_DEFAULT_FOLDER, str(folder))


def search_folders(product: Product) -> list[Path]:
    """SearchPaths, as folders of the host, in the order in which they were set."""
    kept = Preferences(product).all()
    found = [(_number(key), value) for key, value in kept.items() if key.startswith(_SEARCH)]
    return [Path(value) for _, value in sorted(found, key=lambda pair: pair[0]) if isinstance(value, str)]


def set_search_folders(product: Product, folders: Iterable[Path]) -> None:
    """Search those folders from now on, and no others."""

    def change(values: dict[str, Value]) -> None:
        for key in [key for key in values if key.startswith(_SEARCH)]:
            del values[key]
        values.update({f"{_SEARCH}{number}]": str(folder) for number, folder in enumerate(folders)})

    Preferences(product).change(change)


def _number(key: str) -> int:
    digits = key[len(_SEARCH) : -1]
    return int(digits) if digits.isdecimal() and len(digits) < 10 else -1


def existing_folder(host: Path, shown: str) -> Path:
    """A folder that is there.

    Raises:
        Failure: E_PATH_NOT_FOUND: it is not, or is no folder.
    """
    if not host.is_dir():
        why = "is not a folder" if host.exists() else "is not there"
        raise Failure(HRESULT.E_PATH_NOT_FOUND, f"{shown}: the folder {host} {why}")
    return host


def files_in(folders: Iterable[Path], endings: Iterable[str]) -> list[Path]:
    """The files with those endings in the folders and those below, each once; links to folders are not followed.

    A folder that is not there, or may not be read, has none: the log says so.
    """
    wanted = tuple(ending.lower() for ending in endings)
    found = {path for folder in folders for path in _files(folder) if path.name.lower().endswith(wanted)}
    return sorted(found, key=lambda path: (str(path).casefold(), str(path)))


def _files(folder: Path) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        level = logging.DEBUG if isinstance(error, FileNotFoundError) else logging.WARNING
        logger.log(level, "%s is not searched: %s", error.filename, error.strerror)

    top = len(folder.parts)
    for where, below, names in os.walk(folder, onerror=unreadable):
        here = Path(where)
        if len(here.parts) - top >= _DEEPEST:
            logger.warning("the folders below %s are not searched: they are too deep", here)
            below.clear()
        # What is being made, or was left by whoever was killed, has such a name.
        yield from (here / name for name in names if not name.startswith("."))
