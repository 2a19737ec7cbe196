"""`vpcshim api`: the interfaces and members that are declared, from their declarations."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from vpcshim.cli.errors import Refused

_PRODUCTS = {"virtual-server-2005": "Virtual Server", "windows-virtual-pc": "Virtual PC"}
_SHORT = {"vs": "virtual-server-2005", "vpc": "windows-virtual-pc"}
_EPILOG = """\b
--json prints
  {PRODUCT: {INTERFACE: {"iid": "{...}", "members": {NAME:
    {"kind": "property" | "method" | "event",
     "access": "read-only" | "read-write" | "write-only" | null,
     "dispid": "0x6002000b", "status": "implemented" | "unavailable",
     "reason": why it is unavailable, or null}}}}}

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
        print(json.dumps(_without_types(listed), indent=2))
    else:
        _print_table(listed)
    return 0


def declared() -> dict[str, dict[str, dict[str, Any]]]:
    """Everything that is declared, by product and interface, sorted; beside the JSON's keys, each `vartype`."""
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
                    }
                    for member in members
                },
            }
    return listed


def _without_types(listed: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    def bare(member: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in member.items() if key != "vartype"}

    return {
        product: {
            name: {"iid": of["iid"], "members": {key: bare(member) for key, member in of["members"].items()}}
            for name, of in interfaces.items()
        }
        for product, interfaces in listed.items()
    }


_HEADER = ("product", "interface", "member", "kind", "access", "VARTYPE", "DISPID", "status", "reason")


def _lines(listed: dict[str, dict[str, dict[str, Any]]]) -> list[tuple[str, ...]]:
    return [
        (
            _PRODUCTS[product],
            interface,
            name,
            member["kind"],
            member["access"] or "-",
            member["vartype"],
            member["dispid"],
            member["status"],
            member["reason"] or "",
        )
        for product, interfaces in listed.items()
        for interface, of in interfaces.items()
        for name, member in of["members"].items()
    ]


def _print_table(listed: dict[str, dict[str, dict[str, Any]]]) -> None:
    lines = _lines(listed)
    if not sys.stdout.isatty():
        from vpcshim.cli.text import aligned

        print(aligned(_HEADER, lines, left=len(_HEADER)), end="")
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    # Grouped under its interface, a line needs neither product nor interface, and fits 80 columns.
    for product, interfaces in listed.items():
        for interface, of in interfaces.items():
            table = Table(
                title=Text(f"{_PRODUCTS[product]}: {interface} {of['iid']}", "bold"),
                title_justify="left",
                box=SIMPLE_HEAD,
                pad_edge=False,
                padding=(0, 1, 0, 0),
            )
            reasons = any(member["reason"] for member in of["members"].values())
            for title in _HEADER[2:] if reasons else _HEADER[2:-1]:
                table.add_column(title, overflow="fold")
            for line in lines:
                if line[:2] == (_PRODUCTS[product], interface):
                    style = "yellow" if line[7] == "unavailable" else ""
                    table.add_row(*(Text(text, style) for text in (line[2:] if reasons else line[2:-1])))
            console.print(table)
