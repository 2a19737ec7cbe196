"""What a machine is: its name, what identifies it, where its definition stands, its state."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import libvirt

from vpcshim.com.declare import propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor.errors import DomainOff, Unknowable, classify
from vpcshim.hypervisor.states import is_saved
from vpcshim.model.accountant import Accountant
from vpcshim.model.hresults import runs
from vpcshim.model.machine.state import Stateful
from vpcshim.model.names import check_new_name

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
# Where libvirt's drivers keep the definitions of persistent domains, for a connection to this machine; those of one
# user below the folder for that user's configuration.
_DEFINITIONS = {"qemu:///system": Path("/etc/libvirt/qemu"), "qemu:///session": Path("libvirt/qemu")}
# Where they keep managed-save images.
_SAVED_STATES = {
    "qemu:///system": Path("/var/lib/libvirt/qemu/save"),
    "qemu:///session": Path("libvirt/qemu/save"),
}


class Identity(Stateful):
    """Name, ConfigID, File, SavedStateFilePath, State, Accountant."""

    @propget(
        vs=0,
        vpc=0,
        vt=VT.BSTR,
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.VM_E_VM_UNKNOWN,
            HRESULT.VM_E_CONFIG_NAME_TOO_LONG,
            HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR,
            HRESULT.VM_E_CONFIG_DUPLICATE_NAME,
        ),
        vpc_fails=(HRESULT.VM_E_PREF_VM_ACTIVE, HRESULT.VM_E_CONFIG_NO_NAME),
    )
    def Name(self) -> str:
        """The machine's name (the domain's); the default member.

        A machine is renamed while it is off: libvirt renames no domain that runs or has a managed-save image. Its
        .vmc file goes with it, where that bore the machine's name.
        """
        with self._domain() as domain:
            return str(domain.name())

    @Name.write
    def _put_Name(self, name: str) -> None:
        from vpcshim.model import registration

        check_new_name(name, self._product_)
        with self._domain(write=True) as domain:
            old = domain.name()
            text = f"{old} is running or saved, and libvirt renames only a machine that is turned off"
            active = Failure(HRESULT.VM_E_PREF_VM_ACTIVE, text)
            if runs(domain) or is_saved(domain):
                raise active
            try:
                registration.rename(domain, name, files=self._server.connection.is_local)
            except libvirt.libvirtError as error:
                if classify(error) is DomainOff and (runs(domain) or is_saved(domain)):
                    raise active from error  # somebody started it in between
                raise

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.BSTR, fails=_UNKNOWN)
    def ConfigID(self) -> str:
        """What identifies the configuration: the domain's UUID, as `{XXXXXXXX-...}`."""
        with self._domain() as domain:
            return f"{{{domain.UUIDString().upper()}}}"

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.BSTR, fails=_UNKNOWN)
    def File(self) -> str:
        """The full path of the machine's .vmc file; of the file that holds its definition, where it has none.

        libvirt keeps the latter to itself: it is known for a persistent QEMU domain of this machine only.
        """
        from vpcshim.hypervisor.registered import read_settings

        with self._domain() as domain:
            name, persistent = domain.name(), domain.isPersistent()
            file = read_settings(domain).file
        if file:
            return self._paths.to_script(file)
        if not persistent:
            raise Unknowable(f"{name} is a transient domain: no file holds its definition")
        return self._kept_by_libvirt(_DEFINITIONS, f"{name}.xml", f"the definition of {name}")

    @propget(vs=0x60020017, vpc=0x60020014, vt=VT.BSTR, fails=(*_UNKNOWN, HRESULT.VM_E_VM_NO_SAVED_STATE))
    def SavedStateFilePath(self) -> str:
        """The full path of the file with the machine's saved state; VM_E_VM_NO_SAVED_STATE when it is not saved.

        libvirt keeps it to itself: it is known for a QEMU domain of this machine only.
        """
        with self._domain() as domain:
            name, saved = domain.name(), is_saved(domain)
        if not saved:
            raise Failure(HRESULT.VM_E_VM_NO_SAVED_STATE, f"{name} has no saved state")
        return self._kept_by_libvirt(_SAVED_STATES, f"{name}.save", f"the saved state of {name}")

    def _kept_by_libvirt(self, folders: Mapping[str, Path], file: str, what: str) -> str:
        """The path of a file that libvirt's daemon says it has, but not where."""
        from vpcshim.model import preferences

        folder = folders.get(self._server.connection.uri or "")
        path = None if folder is None else preferences.home() / folder / file  # an absolute one stays as it is
        with suppress(FileNotFoundError, NotADirectoryError):
            if path is not None:
                with suppress(PermissionError):  # the folder is root's
                    path.stat()
                return self._paths.to_script(path)
        raise Unknowable(f"libvirt does not tell where it keeps {what} on this connection")

    @propget(vs=0x60020010, vpc=0x60020011, vt=VT.I4, fails=_UNKNOWN)
    def State(self) -> VMVMState:
        """The machine's state (VMVMState); a machine that is off with a managed-save image is Saved."""
        return self._state()

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.DISPATCH, fails=_UNKNOWN)
    def Accountant(self) -> Accountant:
        """The machine's accountant (IVMAccountant)."""
        with self._domain():
            return Accountant(self._product_, self._server, self._options, self._uuid)
