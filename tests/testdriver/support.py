"""What the tests of this folder share: the vtable-style call in one line, and the products."""

from __future__ import annotations

from typing import Any

from vpcshim import HRESULT, VT, Variant
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.model.accountant import Accountant
from vpcshim.model.application import Application, VirtualPC, VirtualServer
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Node

PROGIDS = {
    Product.VIRTUAL_SERVER: "VirtualServer.Application",
    Product.VIRTUAL_PC: "VirtualPC.Application",
}
PRODUCTS = tuple(PROGIDS)
VS, VPC = PRODUCTS


def application(node: Node, product: Product, **options: Any) -> VirtualServer | VirtualPC:
    """An application object of that product."""
    return node.application(PROGIDS[product], **options)


def find(app: Application, name: str) -> VirtualMachine:
    """The machine of that name, which is there."""
    found = app.FindVirtualMachine(name)
    assert isinstance(found, VirtualMachine)
    return found


def machine(node: Node, name: str, product: Product = VS, **options: Any) -> VirtualMachine:
    """The machine of that name of a new application object."""
    return find(application(node, product, **options), name)


def accountant(node: Node, name: str, product: Product = VS, **options: Any) -> Accountant:
    """The accountant of that machine, likewise."""
    found: Accountant = machine(node, name, product, **options).Accountant
    return found


def raw(obj: ComObject, name: str, *args: Any) -> tuple[HRESULT, Variant]:
    """The vtable-style call with a fresh out-parameter (or none, where the member has none)."""
    member = obj._names_[name.lower()]
    out = Variant()
    prefix = "get" if member.kind == "property" else "raw"
    call = getattr(obj, f"{prefix}_{name}")
    code = call(*args) if member.vt == VT.EMPTY else call(*args, out)
    assert isinstance(code, HRESULT)
    return code, out


def code_of(obj: ComObject, name: str, *args: Any) -> HRESULT:
    """The HRESULT of the vtable-style call."""
    return raw(obj, name, *args)[0]
