"""The machine's configuration and activation values, and its notes.

Sources: the IVMVirtualMachine pages of both products' references; virDomainSetMetadata.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.variant import VT, Variant
from vpcshim.hypervisor import domainxml, settings
from vpcshim.hypervisor.settings import Settings
from vpcshim.model.hresults import runs
from vpcshim.model.machine.state import Stateful
from vpcshim.values import Value

if TYPE_CHECKING:
    from vpcshim.model.configuration.keys import Key

_FAILS = (HRESULT.E_INVALIDARG, HRESULT.VM_E_VM_UNKNOWN)
_NOT_FOUND = (HRESULT.VM_E_PREF_NOT_FOUND,)
_LONGEST_NOTES = {Product.VIRTUAL_SERVER: 40_000, Product.VIRTUAL_PC: 65_536}  # characters, as documented


class Configuration(Stateful):
    """Configuration values are the definition's; activation values the running machine's, for as long as it runs.

    A key is the path of a value in a .vmc file (`model.configuration.keys`). Those that libvirt knows are answered
    from the domain (`model.configuration.table`), all others are kept in its metadata.
    """

    # -- configuration values --------------------------------------------------------------------------------------

    @method(
        vs=0x60020049, vpc=0x6002003E, vt=VT.VARIANT, params=(VT.BSTR,), fails=(*_FAILS, *_NOT_FOUND), reads=True
    )
    def GetConfigurationValue(self, configurationKey: str) -> Variant:
        """The value of that key in the machine's definition: VT_BSTR, VT_BOOL, VT_UI4 (VT_I4), VT_ARRAY|VT_UI1.

        VM_E_PREF_NOT_FOUND when there is none.
        """
        from vpcshim.model.configuration import keys

        key = keys.parse(configurationKey)
        with self._domain() as domain:
            return self._variant(key, domain, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

    @method(vs=0x6002004A, vpc=0x6002003F, params=(VT.BSTR, VT.VARIANT), fails=_FAILS)
    def SetConfigurationValue(self, configurationKey: str, configurationValue: Any) -> None:
        """Set the value of that key in the machine's definition.

        One that the domain itself holds is set as by the property that it stands for, and refused as that one is;
        one that libvirt has no way to set so (the number of adapters, what is in a drive) is E_INVALIDARG.
        """
        from vpcshim.model.configuration import keys, table, values

        key = keys.parse(configurationKey)
        value = values.given(key, configurationValue)
        row = table.find(key)
        if row is None:
            self._keep(lambda held: values.with_value(held, key, value, table.beside(key)), running=False)
            self._server.configuration_changed(self._uuid, str(key), value)
            return
        if not row.put:
            raise Failure(HRESULT.E_INVALIDARG, f"{key} is read-only: it is changed by {row.instead}")
        if type(value) is not row.kind:
            text = f"{key} is {values.KINDS[row.kind]}, not {values.KINDS[type(value)]}"
            raise Failure(HRESULT.E_INVALIDARG, text)
        # An integer with the sign that it was given, which the setter of a property names when it refuses it.
        getattr(self, row.put)(configurationValue if row.kind is int else value)

    @method(vs=0x6002004B, vpc=0x60020040, params=(VT.BSTR,), fails=(*_FAILS, *_NOT_FOUND))
    def RemoveConfigurationValue(self, configurationKey: str) -> None:
        """Remove the value of that key; E_INVALIDARG for one that the domain itself holds."""
        from vpcshim.model.configuration import keys, table, values

        key = keys.parse(configurationKey)
        if table.find(key) is not None:
            raise self._not_removable(key)
        self._keep(lambda held: values.without_value(held, key, values.not_found), running=False)
        self._server.configuration_changed(self._uuid, str(key), None)

    # -- activation values -----------------------------------------------------------------------------------------

    @method(
        vs=0x6002004C, vpc=0x60020041, vt=VT.VARIANT, params=(VT.BSTR,), fails=(*_FAILS, *_NOT_FOUND), reads=True
    )
    def GetActivationValue(self, activationKey: str) -> Variant:
        """The value of that key in the running machine: as the definition had it at the start, or as set since.

        VM_E_PREF_NOT_FOUND when there is none, and while the machine is off.
        """
        from vpcshim.model.configuration import keys

        key = keys.parse(activationKey)
        with self._domain() as domain:
            if not runs(domain):
                raise _no_activation(str(domain.name()))
            live = domain.XMLDesc()
            if domainxml.parse(live).id is None:
                raise _no_activation(str(domain.name()))  # it stopped in between: that is its definition
            return self._variant(key, domain, live)

    @method(vs=0x6002004D, vpc=0x60020042, params=(VT.BSTR, VT.VARIANT), fails=(*_FAILS, *_NOT_FOUND))
    def SetActivationValue(self, activationKey: str, activationValue: Any) -> None:
        """Set the value of that key in the running machine; it is gone when the machine is turned off.

        E_INVALIDARG for one that the domain itself holds: a running machine keeps the hardware it was started with.
        VM_E_PREF_NOT_FOUND while the machine is off.
        """
        from vpcshim.model.configuration import keys, table, values

        key = keys.parse(activationKey)
        value = values.given(key, activationValue)
        if table.find(key) is not None:
            text = f"{key} of a running machine stays as it was started with; SetConfigurationValue changes it"
            raise Failure(HRESULT.E_INVALIDARG, text)
        self._keep(lambda held: values.with_value(held, key, value, table.beside(key)), running=True)

    @method(vs=0x6002004E, vpc=0x60020043, params=(VT.BSTR,), fails=(*_FAILS, *_NOT_FOUND))
    def RemoveActivationValue(self, activationKey: str) -> None:
        """Remove the value of that key from the running machine. VM_E_PREF_NOT_FOUND while the machine is off."""
        from vpcshim.model.configuration import keys, table, values

        key = keys.parse(activationKey)
        if table.find(key) is not None:
            raise self._not_removable(key)
        self._keep(lambda held: values.without_value(held, key, values.not_found), running=True)

    # -- both ------------------------------------------------------------------------------------------------------

    def _value(self, key: Key, domain: libvirt.virDomain, xml: str) -> Value:
        from vpcshim.hypervisor import hardware
        from vpcshim.model.configuration import table, values

        def kept() -> Settings:
            return settings.read(domainxml.parse(xml))

        row = table.find(key)
        if row is None:
            value = kept().values.get(str(key))
        else:
            value = row.read(table.Facts(domain, hardware.read(xml), kept, self._paths), key.numbers)
        if value is None:
            raise values.not_found(key)
        return value

    def _variant(self, key: Key, domain: libvirt.virDomain, xml: str) -> Variant:
        from vpcshim.model.configuration import values

        return values.variant(self._product_, self._value(key, domain, xml))

    def _not_removable(self, key: Key) -> Failure:
        """The refusal to remove what the domain itself holds; VM_E_PREF_NOT_FOUND where it holds no such thing."""
        with self._domain() as domain:
            self._value(key, domain, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        return Failure(HRESULT.E_INVALIDARG, f"{key} is the machine's own and cannot be removed")

    def _keep(self, of: Callable[[dict[str, Value]], dict[str, Value]], *, running: bool) -> None:
        """Change what is kept in the metadata: of the running machine, else of the definition."""
        with self._domain(write=True) as domain:
            name = str(domain.name())
            if running and not runs(domain):
                raise _no_activation(name)
            if not running and not domain.isPersistent():
                text = f"{name} is a transient domain: it has no definition that could keep a value"
                raise Failure(HRESULT.DISP_E_EXCEPTION, text)
            settings.change(
                domain,
                lambda held: replace(held, values=of(dict(held.values))),
                config=not running,
                live=running,
            )

    # -- notes -----------------------------------------------------------------------------------------------------

    @propget(vs=0x6002003F, vpc=0x60020039, vt=VT.BSTR, fails=_FAILS)
    def Notes(self) -> str:
        """The machine's notes: the domain's description; "" for none, and setting "" removes them.

        Lines end with CR LF, as these products have them; libvirt keeps them with LF. At most 40000 characters
        for Virtual Server, 65536 for Windows Virtual PC (E_INVALIDARG).
        """
        from vpcshim.hypervisor import hardware

        with self._domain() as domain:
            text = hardware.read(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).description
        return text.replace("\n", "\r\n")

    @Notes.write
    def _put_Notes(self, notes: str) -> None:
        from vpcshim.model.configuration import values

        longest = _LONGEST_NOTES[self._product_]
        if len(notes) > longest:
            raise Failure(HRESULT.E_INVALIDARG, f"notes have at most {longest} characters, not {len(notes)}")
        values.check_text(notes, "the notes")
        text = notes.replace("\r\n", "\n").replace("\r", "\n") or None
        with self._domain(write=True) as domain:
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if domain.isPersistent() else 0
            if domain.isActive():
                flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, text, None, None, flags)


def _no_activation(name: str) -> Failure:
    text = f"{name} is not running, and activation values are those of a running machine"
    return Failure(HRESULT.VM_E_PREF_NOT_FOUND, text)
