"""The application's own configuration values: the preferences of the current user.

Sources: the GetConfigurationValue, SetConfigurationValue and RemoveConfigurationValue pages of IVMVirtualServer and
IVMVirtualPC.
"""

from __future__ import annotations

from typing import Any

from vpcshim.com.declare import method
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant
from vpcshim.model.base import ModelObject
from vpcshim.model.preferences import Preferences
from vpcshim.values import Value


class Configuration(ModelObject):
    """The preferences of the current user for this product; keys and types are those of a machine's values."""

    @method(
        vs=0x60020021,
        vpc=0x60020012,
        vt=VT.VARIANT,
        params=(VT.BSTR,),
        fails=(HRESULT.VM_E_PREF_NOT_FOUND,),
        reads=True,
    )
    def GetConfigurationValue(self, preferenceKey: str) -> Variant:
        """The value of that key; VM_E_PREF_NOT_FOUND when there is none."""
        from vpcshim.model.configuration import keys, values

        key = keys.parse(preferenceKey, otherwise=(HRESULT.VM_E_PREF_NOT_FOUND,))
        value = Preferences(self._product_).get(str(key))
        if value is None:
            raise values.not_found(key)
        return values.variant(self._product_, value)

    @method(
        vs=0x60020022,
        vpc=0x60020013,
        params=(VT.BSTR, VT.VARIANT),
        fails=(HRESULT.E_INVALIDARG,),
        vpc_fails=(HRESULT.E_ACCESSDENIED,),
    )
    def SetConfigurationValue(self, preferenceKey: str, preferenceValue: Any) -> None:
        """Keep a value under that key."""
        from vpcshim.model.configuration import keys, values

        key = keys.parse(preferenceKey)
        value = values.given(key, preferenceValue)

        def change(held: dict[str, Value]) -> None:
            held.update(values.with_value(held, key, value))

        Preferences(self._product_).change(change)

    @method(
        vs=0x60020023,
        vpc=0x60020014,
        params=(VT.BSTR,),
        fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_PREF_NOT_FOUND),
    )
    def RemoveConfigurationValue(self, preferenceKey: str) -> None:
        """Remove the value of that key; VM_E_PREF_NOT_FOUND when there is none."""
        from vpcshim.model.configuration import keys, values

        key = keys.parse(preferenceKey)
        if not Preferences(self._product_).remove(str(key)):
            raise values.not_found(key)
