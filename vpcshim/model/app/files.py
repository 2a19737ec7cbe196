"""Where the application looks for files, and what it finds there.

Files are searched on this machine, which has to be the hypervisor's host. Every folder is searched with those below
it.

Sources: the SearchPaths, DefaultVMConfigurationPath, DefaultVNConfigurationPath and Get...Files pages of both
products' references.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant
from vpcshim.hypervisor.errors import Unsupported
from vpcshim.model import folders
from vpcshim.model.base import ModelObject

_STRINGS = VT.ARRAY | VT.VARIANT
_PATHS = (
    HRESULT.E_FILE_NOT_FOUND,
    HRESULT.E_PATH_NOT_FOUND,
    HRESULT.E_INVALID_NAME,
    HRESULT.E_BAD_PATHNAME,
    HRESULT.E_BUFFER_OVERFLOW,
)
_INVALID = (HRESULT.E_INVALIDARG,)
_HARD_DISKS = (".vhd", ".vhdx", ".qcow2", ".vmdk", ".vdi", ".raw")
_FLOPPIES = (".vfd", ".flp")
_DVDS = (".iso",)
_MACHINES = (".vmc",)
_NETWORKS = (".vnc",)


class Files(ModelObject):
    """SearchPaths, DefaultVMConfigurationPath, DefaultVNConfigurationPath, and what Get...Files find.

    The paths are preferences of the current user (`model.preferences`), for each product its own.
    """

    @propget(vs=0x60020044, vpc=0x6002001D, vt=VT.BSTR, fails=_PATHS)
    def DefaultVMConfigurationPath(self) -> str:
        """The folder for new machines' files, with a separator at its end.

        Where none was set: `~/.local/share/vpcshim/Shared Virtual Machines` (Virtual PC: `Virtual Machines`).
        """
        return self._shown(folders.default_folder(self._product_))

    @DefaultVMConfigurationPath.write
    def _put_DefaultVMConfigurationPath(self, path: str) -> None:
        folder = folders.existing_folder(self._paths.to_host(path), path)
        folders.set_default_folder(self._product_, folder)

    @propget(vs=0x60020046, vt=VT.BSTR)
    def DefaultVNConfigurationPath(self) -> str:
        """The folder for new virtual networks' files, with a separator at its end."""
        return self._shown(folders.data_folder() / folders.NETWORKS)

    @propget(
        vs=0x60020047,
        vpc=0x6002001F,
        vt=_STRINGS,
        elements=VT.BSTR,
        fails=(*_INVALID, *_PATHS, HRESULT.VM_E_PREF_NOT_FOUND),
    )
    def SearchPaths(self) -> tuple[str, ...]:
        """The folders that are searched for files; none until some are set."""
        return tuple(self._paths.to_script(folder) for folder in folders.search_folders(self._product_))

    @SearchPaths.write
    def _put_SearchPaths(self, paths: Any) -> None:
        found = [
            folders.existing_folder(self._paths.to_host(path), path) for path in _strings(paths, "SearchPaths")
        ]
        folders.set_search_folders(self._product_, found)

    SearchPaths.put_vt = VT.VARIANT  # what is no array is E_INVALIDARG, as documented, and no type mismatch

    @method(vs=0x60020049, vpc=0x60020021, vt=VT.VARIANT, params=(VT.VARIANT,), fails=_INVALID, reads=True)
    def GetHardDiskFiles(self, inAdditionalSearchPaths: Any) -> Variant:
        """The hard disks (.vhd, .vhdx, .qcow2, .vmdk, .vdi, .raw) in SearchPaths and the folders given."""
        return self._found(inAdditionalSearchPaths, _HARD_DISKS)

    @method(vs=0x6002004D, vpc=0x60020024, vt=VT.VARIANT, params=(VT.VARIANT,), fails=_INVALID, reads=True)
    def GetDVDFiles(self, inAdditionalSearchPaths: Any) -> Variant:
        """The images of CDs and DVDs (.iso) in SearchPaths and the folders given."""
        return self._found(inAdditionalSearchPaths, _DVDS)

    @method(vs=0x6002004C, vpc=0x60020023, vt=VT.VARIANT, params=(VT.VARIANT,), fails=_INVALID, reads=True)
    def GetFloppyDiskFiles(self, inAdditionalSearchPaths: Any) -> Variant:
        """The images of floppy disks (.vfd, .flp) in SearchPaths and the folders given."""
        return self._found(inAdditionalSearchPaths, _FLOPPIES)

    @method(vs=0x6002004A, vpc=0x60020022, vt=VT.VARIANT, params=(VT.VARIANT, VT.BOOL), fails=_INVALID, reads=True)
    def GetVirtualMachineFiles(self, inAdditionalSearchPaths: Any, inExcludedRegisteredVMs: bool) -> Variant:
        """The .vmc files in SearchPaths, DefaultVMConfigurationPath and the folders given.

        With True those of the machines that the server has are left out.
        """
        from vpcshim.hypervisor.registered import registered

        found = self._files(inAdditionalSearchPaths, _MACHINES, folders.default_folder(self._product_))
        if inExcludedRegisteredVMs:
            with self._server.connection.calls() as connect:
                found = _without(found, (machine.file for machine in registered(connect)))
        return self._array(found)

    @method(vs=0x6002004B, vt=VT.VARIANT, params=(VT.VARIANT, VT.BOOL), fails=_INVALID, reads=True)
    def GetVirtualNetworkFiles(self, inAdditionalSearchPaths: Any, inExcludedRegisteredVNs: bool) -> Variant:
        """The .vnc files in SearchPaths, DefaultVNConfigurationPath and the folders given.

        With True those of the networks that the server has are left out.
        """
        from vpcshim.hypervisor import networks

        found = self._files(inAdditionalSearchPaths, _NETWORKS, folders.data_folder() / folders.NETWORKS)
        if inExcludedRegisteredVNs:
            with self._server.connection.calls() as connect:
                found = _without(found, (networks.read(network).file for network in connect.listAllNetworks()))
        return self._array(found)

    def _shown(self, folder: Path) -> str:
        shown = self._paths.to_script(folder)
        separator = "/" if shown.startswith("/") else "\\"
        return shown if shown.endswith(separator) else shown + separator

    def _found(self, additional: Any, endings: Iterable[str]) -> Variant:
        return self._array(self._files(additional, endings))

    def _files(self, additional: Any, endings: Iterable[str], *others: Path) -> list[Path]:
        added = [self._additional(path) for path in _strings(additional, "inAdditionalSearchPaths")]
        connection = self._server.connection
        with connection.calls():
            if not connection.is_local:
                text = f"files are searched on the hypervisor's host, and {connection.label} is another machine"
                raise Unsupported(f"{text}: run this on that host")
        return folders.files_in((*folders.search_folders(self._product_), *others, *added), endings)

    def _additional(self, path: str) -> Path:
        try:
            return self._paths.to_host(path)
        except Failure as failure:
            raise failure.under(HRESULT.E_INVALIDARG) from failure

    def _array(self, found: Iterable[Path]) -> Variant:
        answer = Variant()
        answer.set(_STRINGS, [self._paths.to_script(path) for path in found], VT.BSTR)
        return answer


def _without(found: Iterable[Path], taken: Iterable[str]) -> list[Path]:
    """The files but for those that are taken, whichever links lead to them."""
    gone = {os.path.realpath(file) for file in taken if file}
    return [path for path in found if os.path.realpath(path) not in gone]


def _strings(value: Any, what: str) -> list[str]:
    """The strings of an array that a script gave.

    Raises:
        Failure: E_INVALIDARG: it is something else.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        text = f"{what} is an array of strings, each the path of a folder; an empty array for none"
        raise Failure(HRESULT.E_INVALIDARG, text)
    return list(value)
