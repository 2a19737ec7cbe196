r"""The .vmc files of machines: where one stands, what it is called, and what is read from it.

A machine is named by its file (`C:\VMs\web.vmc` is `web`), or by a name beside the folder of the file. Sources: the
CreateVirtualMachine and RegisterVirtualMachine pages of both products' references.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.migrate import machine as described
from vpcshim.migrate import vmc
from vpcshim.model import hostfiles
from vpcshim.model.names import check_new_name
from vpcshim.model.paths import DriveMap
from vpcshim.values import Value

EXTENSION, POINTER = ".vmc", ".vmcx"
_LONGEST_PATH = 260  # characters of name and path together, as documented
# CreateVirtualMachine's and RegisterVirtualMachine's own pages say more than the page of Name does.
_LONGEST_NAME = {Product.VIRTUAL_SERVER: 256, Product.VIRTUAL_PC: 80}


@dataclass(frozen=True, slots=True)
class Place:
    """A machine's name and its .vmc file.

    Attributes:
        name: The name.
        file: The file, as a path of the host.
        shown: The file as the caller knows it.
    """

    name: str
    file: Path
    shown: str


def place(paths: DriveMap, product: Product, name: str, path: str) -> Place:
    """What a script means by a name and a path.

    Args:
        paths: Its drive map.
        product: The product, which decides how long a name may be.
        name: The machine's name, with or without `.vmc`; "" for that of the file.
        path: The folder of the file, or the file itself; with an empty name always the file.

    Raises:
        Failure: VM_E_CONFIG_NAME_TOO_LONG, VM_E_CONFIG_NAME_INVALID_CHAR, E_INVALID_NAME, E_BAD_PATHNAME,
            E_BUFFER_OVERFLOW or E_PATH_NOT_FOUND, as documented.
    """
    stem = name[: -len(EXTENSION)] if name.lower().endswith(EXTENSION) else name
    if stem.strip():
        check_new_name(stem, product, longest=_LONGEST_NAME[product])
    host = paths.to_host(path)
    is_file = host.suffix.lower() in (EXTENSION, POINTER) and not host.is_dir()
    if not stem.strip():
        if path.endswith(("\\", "/")) or host.is_dir():
            text = f"{path} is a folder: without a name, the path is that of the machine's {EXTENSION} file"
            raise Failure(HRESULT.E_INVALID_NAME, text)
        file = host if is_file else paths.to_host(f"{host.name}{EXTENSION}", base=host.parent)
        check_new_name(file.stem, product, longest=_LONGEST_NAME[product])
        return Place(file.stem, file, paths.to_script(file))
    file = host if is_file else paths.to_host(f"{stem}{EXTENSION}", base=host)  # in any case, as all of a path
    shown = paths.to_script(file)
    if not path.startswith("/") and len(shown) > _LONGEST_PATH:
        text = (
            f"a machine's name and path have at most {_LONGEST_PATH} characters, not {len(shown)}: {shown:.80}..."
        )
        raise Failure(HRESULT.E_BUFFER_OVERFLOW, text)
    return Place(stem, file, shown)


def followed(paths: DriveMap, found: Place) -> tuple[Place, vmc.Vmcx]:
    """The .vmc that a .vmcx stands for, and what else that says; a .vmc itself stands for itself.

    Raises:
        Failure: As `read`, and as `place` for the path in it.
    """
    if found.file.suffix.lower() != POINTER:
        return found, vmc.Vmcx()
    try:
        pointer = vmc.read_vmcx(_data(found))
    except vmc.BadVmc as error:
        raise _no_vmc(found, POINTER, error) from error
    try:
        file = paths.to_host(pointer.vmc_path, base=found.file.parent)
    except Failure as failure:
        raise Failure(
            failure.code, f"{found.shown} points to no {EXTENSION} file: {failure.description}"
        ) from failure
    if file.suffix.lower() != EXTENSION:
        raise Failure(HRESULT.E_BAD_PATHNAME, f"{found.shown} points to {file}, which is no {EXTENSION} file")
    return Place(found.name, file, paths.to_script(file)), pointer


def read(found: Place) -> dict[str, Value]:
    """The values of a .vmc.

    Raises:
        Failure: E_FILE_NOT_FOUND, E_PATH_NOT_FOUND; DISP_E_EXCEPTION for what is no .vmc.
    """
    try:
        return vmc.read(_data(found))
    except vmc.BadVmc as error:
        raise _no_vmc(found, EXTENSION, error) from error


def machine(found: Place, values: vmc.Values) -> described.Machine:
    """The machine that the values of a .vmc describe.

    Raises:
        Failure: DISP_E_EXCEPTION: they describe none, or one that cannot be.
    """
    try:
        return described.read(values)
    except vmc.BadVmc as error:
        raise Failure(HRESULT.DISP_E_EXCEPTION, f"{found.shown} describes no machine: {error}") from error


def _data(found: Place) -> bytes:
    if not found.file.parent.is_dir():
        raise Failure(HRESULT.E_PATH_NOT_FOUND, f"{found.shown}: there is no folder {found.file.parent}")
    try:
        with hostfiles.told(f"{found.shown} cannot be read"):
            if found.file.is_dir():
                raise Failure(HRESULT.E_FILE_NOT_FOUND, f"{found.shown}: {found.file} is a folder")
            return hostfiles.read(found.file, vmc.LARGEST)
    except ValueError as error:
        raise Failure(HRESULT.DISP_E_EXCEPTION, f"{found.shown}: {error}") from error


def _no_vmc(found: Place, kind: str, error: vmc.BadVmc) -> Failure:
    return Failure(HRESULT.DISP_E_EXCEPTION, f"{found.shown} is no {kind} file: {error}")
