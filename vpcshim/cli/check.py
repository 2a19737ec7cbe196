"""`vpcshim check`: what a script uses of the model, told from its text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcshim.cli.errors import Refused, complain

if TYPE_CHECKING:
    from vpcshim.clients.check import Report

_UNAVAILABLE = 1
_EPILOG = """\b
Nothing is run, and no server is asked: a late-bound script does not say which object a name is asked of, so a name
counts as the model's when an interface of the products that the script creates has it. Where Wine is installed, its
engine reads a .vbs or .js, and what it says of the syntax is told, in its words.

\b
Exit codes:
  0  everything that the script uses is served
  1  it uses something that is unavailable, or that its engine cannot run
  2  it cannot be read
"""


@click.command("check", epilog=_EPILOG)
@click.argument("scripts", nargs=-1, required=True, metavar="SCRIPT...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(scripts: tuple[Path, ...], as_json: bool) -> int:
    """Say what a script uses of the model and what of that is unavailable, without running it.

    SCRIPTs are .vbs, .js or .py files.
    """
    from vpcshim.clients import check
    from vpcshim.clients.text import NotText, check_python, language_of, read_script

    reports = {}
    unread: list[str] = []
    fine = True
    for script in scripts:
        try:
            language = language_of(script)
            text, folder = read_script(script), script.resolve().parent
            if language == "python":
                check_python(script)
            report = reports[str(script)] = check.check(text, language, folder, engine=True)
        except check.Unreadable as error:
            unread.append(f"{script}{error}")
            continue
        except (OSError, NotText) as error:
            why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            unread.append(f"{script} cannot be checked: {why}")
            continue
        # Wine brings the other classes of a VBScript; Python's stand-in for pywin32 has none but ours.
        fine = fine and report.served and (language != "python" or not report.foreign)
    if as_json:
        print(json.dumps({name: _as_json(report) for name, report in reports.items()}, indent=2))
    else:
        for name, report in reports.items():
            _print(name, report)
    if unread:
        for line in unread[:-1]:
            complain(line)
        raise Refused(unread[-1])
    return 0 if fine else _UNAVAILABLE


def _as_json(report: Report) -> dict[str, object]:
    return {
        "products": [product.value for product in report.products],
        "other_classes": report.foreign,
        "members": [
            {
                "name": use.name,
                "interfaces": use.interfaces,
                "lines": use.lines,
                "status": "implemented" if use.reason is None else "unavailable",
                "reason": use.reason,
            }
            for use in report.uses
        ],
        "other_names": report.unknown,
        "refused": report.refused,
        "syntax_unread": report.unread,
    }


def _print(script: str, report: Report) -> None:
    from vpcshim.cli.text import aligned
    from vpcshim.clients.check import meant

    products = ", ".join(product.value for product in report.products) or "no application that its text names"
    print(f"{script}: creates {products}")
    if report.refused is not None:
        print(f"{script}{report.refused}")
    if report.unread is not None:
        print(f"  its syntax was not looked at: {report.unread}")
    for progid, lines in report.foreign.items():
        whose = "only Wine may have" if script.lower().endswith((".vbs", ".js")) else "vpcshim run refuses"
        print(f"  also creates {progid} (line {_lines(lines)}), which {whose}")
    for name, lines in report.unknown.items():
        member = meant(name, report.products)
        if member is not None:
            print(f"  {name} (line {_lines(lines)}) is no member of ours: {member} is")
    rows = [
        (use.name, _lines(use.lines), "served" if use.reason is None else "unavailable", use.reason or "")
        for use in report.uses
    ]
    if rows:
        print(aligned(("member", "line", "status", "reason"), rows, left=4), end="")


def _lines(lines: tuple[int, ...]) -> str:
    return ",".join(map(str, lines))
