"""Interfaces of no product, declared to try the declaration mechanism; they do not stay among the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from vpcshim.com.collection import Collection
from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, Product, SFalse
from vpcshim.com.object import INTERFACES, ComObject
from vpcshim.com.variant import VT


@contextmanager
def unlisted() -> Iterator[None]:
    """Take the interfaces declared inside back out of the registry."""
    before = INTERFACES[:]
    try:
        yield
    finally:
        INTERFACES[:] = before


with unlisted():

    class Sample(
        ComObject,
        interface="IVMSample",
        vs="{00000000-0000-0000-0000-000000000001}",
        vpc="{00000000-0000-0000-0000-000000000002}",
    ):
        """One member of each sort; `_answer` is what most of them return or raise."""

        def __init__(self, product: Product = Product.VIRTUAL_SERVER, answer: Any = None) -> None:
            super().__init__(product)
            self._answer = answer
            self._calls: list[str] = []
            self._written: list[Any] = []

        def _give(self, who: str) -> Any:
            self._calls.append(who)
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        @propget(vs=0, vpc=0, vt=VT.BSTR)
        def Name(self) -> str:
            """The default member."""
            return "sample"

        @propget(vs=0x60020001, vpc=0x60020001, vt=VT.DECIMAL)
        def BytesSent(self) -> Decimal | SFalse:
            """A number."""
            value: Decimal | SFalse = self._give("BytesSent")
            return value

        @propget(
            vs=0x60020002,
            vpc=0x60020003,
            vt=VT.I4,
            fails=(HRESULT.VM_E_VM_UNKNOWN,),
            vs_fails=(HRESULT.VM_E_VM_RUNNING,),
            vpc_fails=(HRESULT.VM_E_VM_PAUSED,),
        )
        def Level(self) -> int | SFalse:
            """A property that can be set."""
            value: int | SFalse = self._give("Level")
            return value

        @Level.write
        def _put_Level(self, value: int) -> None:
            self._give("put Level")
            self._written.append(value)

        @propget(vs=0x60020004, vt=VT.I2)
        def ServerOnly(self) -> int:
            """Virtual Server alone has it."""
            return 1

        @propget(vpc=0x60020004, vt=VT.I2)
        def PcOnly(self) -> int:
            """Windows Virtual PC alone has it."""
            return 2

        @method(vs=0x60020005)
        def ServerOnlyMethod(self) -> None:
            """Virtual Server alone has it."""
            self._calls.append("ServerOnlyMethod")

        @method(
            vs=0x60020006,
            vpc=0x60020006,
            vt=VT.BSTR,
            params=(VT.I4, VT.BSTR, VT.BOOL),
            fails=(HRESULT.E_INVALIDARG,),
        )
        def Combine(self, firstNumber: int, text: str, flag: bool = False) -> str:
            """A method that answers."""
            return f"{firstNumber!r} {text!r} {flag!r}"

        @method(vs=0x60020007, vpc=0x60020007, params=(VT.I4,), fails=(HRESULT.E_INVALIDARG,))
        def Act(self, number: int) -> None:
            """A method that hands out nothing."""
            self._calls.append(f"Act {number}")
            if number < 0:
                raise Failure(HRESULT.E_INVALIDARG, f"number is 0 or more, not {number}", argerr=0)

        @propget(vs=0x60020008, vpc=0x60020008, vt=VT.I4, unavailable="KVM has no such thing")
        def Unserved(self) -> int:
            """A property without a counterpart."""
            raise AssertionError("never run")

        @propget(
            vs=0x60020009,
            vpc=0x60020009,
            vt=VT.BSTR,
            vs_fails=(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL,),
            unavailable="there are no Additions",
        )
        def Additions(self) -> str:
            """A property without a counterpart, whose page documents a refusal in one product."""
            raise AssertionError("never run")

        @propget(vs=0x6002000A, vpc=0x6002000A, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI1, s_false=(0,) * 3)
        def History(self) -> tuple[int, ...] | SFalse:
            """An array."""
            value: tuple[int, ...] | SFalse = self._give("History")
            return value

        @method(kind="property", vs=0x6002000B, vpc=0x6002000B, vt=VT.I4, params=(VT.I4,))
        def Squared(self, number: int) -> int:
            """A property with a parameter."""
            return number * number

    class Nothings(ComObject, interface="IVMNothings", vs="{00000000-0000-0000-0000-000000000003}"):
        """A member of every type, all of which answer S_FALSE."""

        @propget(vs=1, vt=VT.I2)
        def AsI2(self) -> Any:
            """VT_I2."""
            return S_FALSE

        @propget(vs=2, vt=VT.I4)
        def AsI4(self) -> Any:
            """VT_I4."""
            return S_FALSE

        @propget(vs=3, vt=VT.UI1)
        def AsUI1(self) -> Any:
            """VT_UI1."""
            return S_FALSE

        @propget(vs=4, vt=VT.UI4)
        def AsUI4(self) -> Any:
            """VT_UI4."""
            return S_FALSE

        @propget(vs=5, vt=VT.R8)
        def AsR8(self) -> Any:
            """VT_R8."""
            return S_FALSE

        @propget(vs=6, vt=VT.DECIMAL)
        def AsDecimal(self) -> Any:
            """VT_DECIMAL."""
            return S_FALSE

        @propget(vs=7, vt=VT.BSTR)
        def AsBstr(self) -> Any:
            """VT_BSTR."""
            return S_FALSE

        @propget(vs=8, vt=VT.BOOL)
        def AsBool(self) -> Any:
            """VT_BOOL."""
            return S_FALSE

        @propget(vs=9, vt=VT.DISPATCH)
        def AsDispatch(self) -> Any:
            """VT_DISPATCH."""
            return S_FALSE

        @propget(vs=10, vt=VT.ARRAY | VT.VARIANT, elements=VT.BSTR)
        def AsArray(self) -> Any:
            """VT_ARRAY."""
            return S_FALSE

        @propget(vs=11, vt=VT.UNKNOWN)
        def AsUnknown(self) -> Any:
            """VT_UNKNOWN."""
            return S_FALSE

        @propget(vs=12, vt=VT.VARIANT)
        def AsVariant(self) -> Any:
            """VT_VARIANT."""
            return S_FALSE

        @method(vs=13)
        def AsNothing(self) -> Any:
            """No value at all."""
            return S_FALSE

    class Samples(Collection[Sample], interface="IVMSampleCollection", vs="{00000000-0000-0000-0000-000000000004}"):
        """A collection."""

        def __init__(self, *items: Sample) -> None:
            super().__init__(Product.VIRTUAL_SERVER)
            self._held = items

        def _items_(self) -> Sequence[Sample]:
            return self._held
