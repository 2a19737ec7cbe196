"""`vpcshim api`: the interfaces and members that are declared, from their declarations."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from vpcshim.cli.errors import Refused

if TYPE_CHECKING:
    from rich.console import Console

_PRODUCTS = {"virtual-server-2005": "Virtual Server", "windows-virtual-pc": "Virtual PC"}
_SHORT = {"vs": "virtual-server-2005", "vpc": "windows-virtual-pc"}
_EPILOG = """\b
--json prints
  {PRODUCT: {INTERFACE: {"iid": "{...}", "members": {NAME:
    {"kind": "property" | "method" | "event",
     "access": "read-only" | "read-write" | "write-only" | null,
     "dispid": "0x6002000b", "status": "implemented" | "unavailable",
     "reason": why it is unavailable, or null,
     "vartype": "VT_BSTR" (VT_EMPTY for a method that hands out nothing),
     "parameters": [{"name", "vartype"}]}}}}}

\b
Examples:
  vpcshim api IVMAccountant
  vpcshim api --product vpc --json
"""


@click.command("api", epilog=_EPILOG)
@click.argument("interfaces", nargs=-1, metavar="[INTERFACE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--product",
    type=click.Choice([*_SHORT, *_PRODUCTS]),
    help="Only Virtual Server 2005 (vs) or Windows Virtual PC (vpc).",
)
def command(interfaces: tuple[str, ...], as_json: bool, product: str | None) -> int:
    """List the interfaces and members that are served.

    INTERFACEs are names as IVMAccountant, in any case; none means all of them.
    """
    wanted = {name.lower() for name in interfaces}
    listed = declared()
    if product is not None:
        full = _SHORT.get(product, product)
        listed = {full: listed[full]}
    known = {name.lower() for members in listed.values() for name in members}
    unknown = [name for name in interfaces if name.lower() not in known]
    if unknown:
        raise Refused(f"there is no interface {', '.join(unknown)} here: `vpcshim api` lists them")
    if wanted:
        listed = {
            key: {name: of for name, of in found.items() if name.lower() in wanted} for key, found in listed.items()
        }
    if as_json:
        print(json.dumps(listed, indent=2))
    else:
        _print_table(listed)
    return 0


def declared() -> dict[str, dict[str, dict[str, Any]]]:
    """Everything that is declared, by product and interface, sorted: what --json prints."""
    from vpcshim.com.member import Product
    from vpcshim.model.catalogue import interfaces

    listed: dict[str, dict[str, dict[str, Any]]] = {product.value: {} for product in Product}
    for kind in interfaces():
        for product, iid in kind._iids_.items():
            members = sorted(
                (member for member in kind._names_.values() if member.known_to(product)), key=lambda m: m.name
            )
            listed[product.value][kind._interface_] = {
                "iid": iid,
                "members": {
                    member.name: {
                        "kind": member.kind,
                        "access": member.access,
                        "dispid": f"0x{member.dispids[product] & 0xFFFF_FFFF:08x}",
                        "status": "implemented" if member.unavailable is None else "unavailable",
                        "reason": member.unavailable,
                        "vartype": member.vt.label,
                        "parameters": [
                            {"name": name, "vartype": vt.label}
                            for name, vt in zip(member.param_names, member.params, strict=True)
                        ],
                    }
                    for member in members
                },
            }
    return listed


_HEADER = (
    "product",
    "interface",
    "member",
    "kind",
    "access",
    "VARTYPE",
    "parameters",
    "DISPID",
    "status",
    "reason",
)


def _lines(listed: dict[str, dict[str, dict[str, Any]]]) -> list[tuple[str, ...]]:
    return [
        (
            _PRODUCTS[product],
            interface,
            name,
            member["kind"],
            member["access"] or "-",
            member["vartype"],
            ",".join(_parameters(member)) or "-",
            member["dispid"],
            member["status"],
            member["reason"] or "",
        )
        for product, interfaces in listed.items()
        for interface, of in interfaces.items()
        for name, member in of["members"].items()
    ]


def _print_table(listed: dict[str, dict[str, dict[str, Any]]]) -> None:
    if not sys.stdout.isatty():
        from vpcshim.cli.text import aligned

        print(aligned(_HEADER, _lines(listed), left=len(_HEADER)), end="")
        return
    from rich.console import Console

    console = Console()
    for product, interfaces in listed.items():
        for interface, of in interfaces.items():
            _show(console, f"{_PRODUCTS[product]}: {interface} {of['iid']}", of["members"])


def _show(console: Console, title: str, members: dict[str, dict[str, Any]]) -> None:
    """One interface, in 80 columns: parameters under the member's name; below it, what is unavailable and why."""
    from rich.box import SIMPLE_HEAD
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title, "bold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in ("member", "kind", "access", "VARTYPE", "DISPID"):
        table.add_column(heading, overflow="fold")
    for name, member in members.items():
        style = "" if member["reason"] is None else "yellow"
        called = "\n".join([name, *(f"  {text}" for text in _parameters(member))])
        told = (member["kind"], member["access"] or "-", member["vartype"], member["dispid"])
        table.add_row(*(Text(text, style) for text in (called, *told)))
    console.print(table)
    reasons: dict[str, list[str]] = {}
    for name, member in members.items():
        if member["reason"] is not None:
            reasons.setdefault(member["reason"], []).append(name)
    for reason, names in reasons.items():
        console.print(
            Padding(Text.assemble((", ".join(names), "yellow"), f" (unavailable): {reason}"), (0, 0, 1, 2))
        )


def _parameters(member: dict[str, Any]) -> list[str]:
    return [f"{one['name']}:{one['vartype']}" for one in member["parameters"]]
