"""Collections: a 1-based `Item` (the default member), `Count`, `_NewEnum`; iteration and `len` in Python."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT

ItemT = TypeVar("ItemT", bound=ComObject)


class Collection(ComObject, Generic[ItemT]):
    """What all collections of both type libraries have in common, the DISPIDs included."""

    @abstractmethod
    def _items_(self) -> Sequence[ItemT]:
        """The objects as of now, in the order in which they are counted."""

    @propget(vs=0x60020000, vpc=0x60020000, vt=VT.I4)
    def Count(self) -> int:
        """How many objects the collection holds."""
        return len(self._items_())

    @method(kind="property", vs=0, vpc=0, vt=VT.DISPATCH, params=(VT.I4,), fails=(HRESULT.DISP_E_BADINDEX,))
    def Item(self, index: int) -> ItemT:
        """The object at `index`, counted from 1; DISP_E_BADINDEX outside 1..Count."""
        items = self._items_()
        if not 1 <= index <= len(items):
            held = f"1..{len(items)}" if items else "none, the collection is empty"
            raise Failure(HRESULT.DISP_E_BADINDEX, f"index {index} is outside of what there is: {held}")
        return items[index - 1]

    @propget(vs=-4, vpc=-4, vt=VT.UNKNOWN)
    def _NewEnum(self) -> Any:
        """An enumerator over the objects as they are now (what For Each asks for)."""
        return iter(self._items_())

    def __iter__(self) -> Iterator[ItemT]:
        enumerator: Iterator[ItemT] = self._NewEnum
        return enumerator

    def __len__(self) -> int:
        return self.Count

    def __bool__(self) -> bool:
        # An object, not a sequence: an empty collection is not Nothing.
        return True
