"""Every documented HRESULT of every member that is declared: in which situation it is answered, or why never.

The documented lists stand in fixtures/documented-hresults.json; test_decision_table.py checks that none is missing.
The rows stand in the modules of `decisions`, one for each concern; each is imported here. What holds for every
member has no rows: E_POINTER without an out-parameter, E_NOTIMPL (or the documented refusal) of one that is
unavailable, and that libvirt never answers VM_E_HARDWARE_VIRTUALIZATION_DISABLED.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any, Final

from tests.testdriver import decisions
from tests.testdriver.situations import Situation
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.com.member import Product

ANY: Final = object()  # a value that is checked elsewhere


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    product: Product
    interface: str
    member: str
    situation: Situation
    expected: HRESULT
    value: Any = ANY
    args: tuple[Any, ...] | None = None
    out: bool = True

    def __str__(self) -> str:
        where = self.situation.__name__ if self.out else "no out-parameter"
        return f"{self.product.value}-{self.interface}.{self.member}-{where}-{self.expected.name}"


# The arguments of the members that take some, where a row gives no others.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "FindVirtualMachine": ("WEB",),
    "Item": (1,),
    "WaitForCompletion": (0,),
    "SetSchedulingParameters": (0.0, 50.0, 100),
}

Products = tuple[Product, ...]
BOTH: Products = (VS, VPC)
S_OK, S_FALSE, E_POINTER, E_FAIL = HRESULT.S_OK, HRESULT.S_FALSE, HRESULT.E_POINTER, HRESULT.E_FAIL
EXCEPTION, UNKNOWN = HRESULT.DISP_E_EXCEPTION, HRESULT.VM_E_VM_UNKNOWN
NOT_RUNNING, IS_RUNNING = HRESULT.VM_E_VM_NOT_RUNNING, HRESULT.VM_E_VM_RUNNING
DENIED, TIMED_OUT = HRESULT.E_ACCESSDENIED, HRESULT.VM_E_TIMED_OUT

ROWS: list[Row] = []
NEVER: dict[tuple[Product, str, str, str], str] = {}


def rows(products: Products, interface: str, members: str, *answers: tuple[Any, ...]) -> None:
    """Rows for several members alike; an answer is (situation, HRESULT[, value[, arguments]])."""
    for product in products:
        for member in members.split():
            for situation, expected, *rest in answers:
                ROWS.append(Row(product, interface, member, situation, expected, *rest))


def never(products: Products, interface: str, members: str, codes: str, why: str) -> None:
    for product in products:
        for member in members.split():
            for code in codes.split():
                NEVER[product, interface, member, code] = why


for _module in pkgutil.iter_modules(decisions.__path__, f"{decisions.__name__}."):
    importlib.import_module(_module.name)
