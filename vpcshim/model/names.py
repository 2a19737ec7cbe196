"""Names of machines: case does not count, what may be meant by two names is refused, and what a name may hold.

Source: the pages of IVMVirtualMachine::Name.
"""

from __future__ import annotations

from collections.abc import Iterable

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.hypervisor.errors import HypervisorError

_FORBIDDEN = '*?:<>/|\\"'
# Virtual Server's page says "roughly 150", Virtual PC's 80.
_LONGEST = {Product.VIRTUAL_SERVER: 150, Product.VIRTUAL_PC: 80}
# Files bear the name, of libvirt's and the machine's .vmc, and Linux takes names of 255 bytes: the longest of them
# are `NAME.xml.new`, which libvirt writes, and `.NAME.vmc.vpcshim-new` of `hostfiles`.
_LARGEST = 255 - len("..vmc.vpcshim-new")


class AmbiguousName(HypervisorError):
    """A name may be any of several machines'."""


def check_new_name(name: str, product: Product, *, longest: int | None = None) -> None:
    """Refuse what a machine may not be called.

    Args:
        name: The name.
        product: The product, which decides how long it may be.
        longest: How long it may be where the member's page says otherwise, in characters.

    Raises:
        Failure: VM_E_CONFIG_NO_NAME (Virtual Server: E_INVALIDARG), VM_E_CONFIG_NAME_TOO_LONG or
            VM_E_CONFIG_NAME_INVALID_CHAR.
    """
    if name in (".", ".."):
        raise Failure(HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR, f"a machine's name is not {name!r}: it names a folder")
    if not name.strip():
        text = "a machine's name is not empty"
        raise Failure(HRESULT.VM_E_CONFIG_NO_NAME, text, otherwise=(HRESULT.E_INVALIDARG,))
    most = _LONGEST[product] if longest is None else longest
    if len(name) > most:
        text = f"a machine's name has at most {most} characters, not {len(name)}"
        raise Failure(HRESULT.VM_E_CONFIG_NAME_TOO_LONG, text, otherwise=(HRESULT.E_BUFFER_OVERFLOW,))
    wrong = sorted({character for character in name if character in _FORBIDDEN or not character.isprintable()})
    if wrong:
        text = f"a machine's name cannot hold {' '.join(map(repr, wrong))} (nor any of {_FORBIDDEN})"
        raise Failure(HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR, text)
    size = len(name.encode())
    if size > _LARGEST:
        text = f"a machine's name has at most {_LARGEST} bytes in UTF-8, as files bear it, and this one has {size}"
        raise Failure(HRESULT.VM_E_CONFIG_NAME_TOO_LONG, text, otherwise=(HRESULT.E_BUFFER_OVERFLOW,))


def uuid_of(name: str, machines: Iterable[tuple[str, str]]) -> str | None:
    """The UUID of the machine of that name: the exact one first, else the only one in another case; None for none.

    Args:
        name: The name as a caller gave it.
        machines: The name and UUID of every machine.

    Raises:
        AmbiguousName: Several machines have the name in other cases.
    """
    folded = name.casefold()
    found = [(known, uuid) for known, uuid in machines if known.casefold() == folded]
    exact = [(known, uuid) for known, uuid in found if known == name]
    if len(exact or found) > 1:
        names = ", ".join(sorted(known for known, _ in found))
        raise AmbiguousName(f"{name} may be any of {names}: name one of them in its own case")
    return next((uuid for _, uuid in exact or found), None)
