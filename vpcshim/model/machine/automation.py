"""What happens to the machine when the host starts and stops, and as whom it runs.

Sources: the IVMVirtualMachine pages of both products' references; virDomainSetAutostart;
libvirt.org/formatdomain.html (security label).
"""

from __future__ import annotations

import re
from dataclasses import replace

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMAutoStartType, VMShutdownAction
from vpcshim.hypervisor import account, domainxml, settings
from vpcshim.model.machine.state import Stateful

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
# What libvirt takes in a label: names, or numbers with a plus.
_NAME = r"(?:[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|\+[0-9]{1,10})"
_ACCOUNT = re.compile(f"(?P<user>{_NAME})(?::(?P<group>{_NAME}))?")


class Automation(Stateful):
    """AutoStartAtLaunch, ShutdownActionOnQuit, RunAsDefinedAccount and the account."""

    @propget(vs=0x60020011, vt=VT.I4, fails=(HRESULT.E_INVALIDARG, HRESULT.E_FAIL, *_UNKNOWN))
    def AutoStartAtLaunch(self) -> VMAutoStartType:
        """Whether the machine is started when libvirt's daemon starts (VMAutoStartType): libvirt's autostart.

        Never or Always. vmAutoStart_IfRunningAtQuit is E_FAIL: libvirt does not keep which machines ran when it
        ended, for they run on without it. libvirt starts a machine under whatever account it runs under, so that
        RunAsDefinedAccount need not be set first.
        """
        with self._domain() as domain:
            on = bool(domain.autostart())
        return VMAutoStartType.vmAutoStart_Always if on else VMAutoStartType.vmAutoStart_Never

    @AutoStartAtLaunch.write
    def _put_AutoStartAtLaunch(self, value: int) -> None:
        from vpcshim.model.configuration import table

        if value not in tuple(VMAutoStartType):
            text = f"AutoStartAtLaunch is 0 (never), 1 (always) or 2 (if it was running), not {value}"
            raise Failure(HRESULT.E_INVALIDARG, text)
        if value == VMAutoStartType.vmAutoStart_IfRunningAtQuit:
            text = (
                "libvirt starts a machine always or never: it does not keep which ones ran when it ended. "
                "The service libvirt-guests does that for all machines of a host (ON_BOOT=start)"
            )
            raise Failure(HRESULT.E_FAIL, text)
        with self._domain(write=True) as domain:
            domain.setAutostart(int(value == VMAutoStartType.vmAutoStart_Always))
        self._server.configuration_changed(self._uuid, table.AUTO_START, int(value))

    @propget(
        vs=0x60020013,
        vt=VT.I4,
        fails=_UNKNOWN,
    )
    def AutoStartAtLaunchDelay(self) -> int:
        """Seconds between the start of the service and that of the machine: 0, as libvirt has no delay.

        It can be set to 0 only.
        """
        with self._domain():
            return 0

    @AutoStartAtLaunchDelay.write
    def _put_AutoStartAtLaunchDelay(self, seconds: int) -> None:
        with self._domain():
            if seconds != 0:
                text = f"libvirt starts its machines without a delay of their own: 0 can be set, not {seconds}"
                raise Failure(HRESULT.DISP_E_EXCEPTION, text)

    @propget(
        vs=0x60020015,
        vpc=0x60020012,
        vt=VT.I4,
        fails=_UNKNOWN,
        vpc_fails=(HRESULT.E_ACCESSDENIED,),
        unavailable="libvirt's guests run on when its daemon ends, and what becomes of them when the host is shut "
        "down is set for all of them together (libvirt-guests, or auto_shutdown in qemu.conf), not for one machine",
    )
    def ShutdownActionOnQuit(self) -> VMShutdownAction:
        """What is done to the machine when the service ends."""
        raise NotImplementedError

    @ShutdownActionOnQuit.write
    def _put_ShutdownActionOnQuit(self, value: int) -> None:
        raise NotImplementedError

    # -- the account -----------------------------------------------------------------------------------------------

    @propget(vs=0x60020044, vt=VT.BOOL, fails=_UNKNOWN)
    def RunAsDefinedAccount(self) -> bool:
        """Whether the machine's process runs under an account of its own, from its next start on.

        That is libvirt's `dac` security label. False leaves the choice to libvirt's daemon (`user` in qemu.conf).
        """
        with self._domain() as domain:
            return account.read(_definition(domain)) != ""

    @RunAsDefinedAccount.write
    def _put_RunAsDefinedAccount(self, value: bool) -> None:
        from vpcshim.hypervisor.redefine import redefine

        with self._domain(write=True) as domain:
            name, xml = domain.name(), _definition(domain)
            if value == (account.read(xml) != ""):
                return
            _need_accounts(domain)
            known = account.read(xml) or settings.read(domainxml.parse(xml)).account
            if value and not known:
                text = f"no account is named for {name}: call SetAccountNameAndPassword first"
                raise Failure(HRESULT.DISP_E_EXCEPTION, text)
            # Kept, so that the account is known when it is turned on again.
            settings.change(domain, lambda held: replace(held, account=known), live=False)
            redefine(domain, lambda root: account.change(root, known if value else ""))

    @propget(vs=0x60020046, vt=VT.BSTR, fails=_UNKNOWN)
    def AccountName(self) -> str:
        """The host account that was named for the machine, as USER:GROUP; "" for none."""
        with self._domain() as domain:
            xml = _definition(domain)
            return account.read(xml) or settings.read(domainxml.parse(xml)).account

    @method(vs=0x60020047, params=(VT.BSTR, VT.BSTR), fails=(HRESULT.E_ACCESSDENIED, *_UNKNOWN))
    def SetAccountNameAndPassword(self, accountName: str, accountPassword: str) -> None:
        """Name the host account for `RunAsDefinedAccount`.

        Args:
            accountName: USER or USER:GROUP of the host that libvirt runs on; for another host than this one with
                the group. "" forgets the account. E_ACCESSDENIED for one that is not there.
            accountPassword: Neither needed nor looked at nor kept: libvirt's daemon runs as root, and whoever may
                define machines may choose their accounts.
        """
        from vpcshim.hypervisor.redefine import redefine

        with self._domain(write=True) as domain:
            _need_accounts(domain)
            label = _label(accountName, local=self._server.connection.is_local) if accountName else ""
            in_use = account.read(_definition(domain)) != ""
            settings.change(domain, lambda held: replace(held, account=label), live=False)
            if in_use:
                redefine(domain, lambda root: account.change(root, label))


def _definition(domain: libvirt.virDomain) -> str:
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def _need_accounts(domain: libvirt.virDomain) -> None:
    if not account.is_supported(domain.connect()):
        text = "the hypervisor runs every machine under one account: its capabilities have no security model `dac`"
        raise Failure(HRESULT.E_ACCESSDENIED, text)


def _label(name: str, *, local: bool) -> str:
    """USER:GROUP for an account's name; the user's own group, and that both exist, is known of this host only."""
    import grp
    import pwd

    found = _ACCOUNT.fullmatch(name)
    if found is None:
        text = f"an account is USER or USER:GROUP of the host, without a domain, not {name!r:.80}"
        raise Failure(HRESULT.E_ACCESSDENIED, text)
    user, group = found["user"], found["group"]
    if not local:
        if group is None:
            text = f"the group of {user} on the other host is not known here: name it as {user}:GROUP"
            raise Failure(HRESULT.E_ACCESSDENIED, text)
        return f"{user}:{group}"
    try:
        own = None if user.startswith("+") else pwd.getpwnam(user).pw_gid
        if group is not None and not group.startswith("+"):
            grp.getgrnam(group)
    except KeyError as error:
        raise Failure(HRESULT.E_ACCESSDENIED, f"this host has no such account: {name}") from error
    if group is None and own is None:
        raise Failure(HRESULT.E_ACCESSDENIED, f"name the group of the account {user} as well, as {user}:+GID")
    return f"{user}:{group if group is not None else f'+{own}'}"
