"""Which way the imports point: read from the sources, so that nothing has to be installed or run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vpcshim

HOME = Path(vpcshim.__file__).parent

# What each room may import of vpcshim, beside itself. The module of a name that stands for a class is meant too:
# "com" allows vpcshim.com and everything in it.
ALLOWED: dict[str, frozenset[str]] = {
    "com": frozenset(),
    "hypervisor": frozenset({"values", "xmlparser"}),
    "constants": frozenset(),
    "values": frozenset(),
    "xmlparser": frozenset(),
    "_version": frozenset(),
    "model": frozenset({"com", "hypervisor", "migrate", "constants", "values", "_version"}),
    "migrate": frozenset({"com", "constants", "values", "xmlparser", "_version"}),
    "clients": frozenset({"com", "model", "constants", "_version"}),
    "cli": frozenset({"com", "model", "clients", "migrate", "constants", "_version"}),
    "testing": frozenset({"com", "model", "constants", "_version"}),
    "__main__": frozenset({"cli"}),
    "__init__": frozenset({"com", "model", "clients", "constants", "_version"}),
}
# libvirt is known to these alone; COM has nothing but the standard library.
LIBVIRT = {"hypervisor", "model", "cli", "testing"}
LXML = {"hypervisor", "migrate", "testing", "xmlparser"}
# Single modules that look further down than their room: doctor reports on libvirt itself, the test plugin builds
# nodes of libvirt's test driver, a script's files may be images that QEMU has locked.
EXCEPTIONS: dict[str, frozenset[str]] = {
    "cli.checks": frozenset({"vpcshim.hypervisor"}),
    "cli.remedies": frozenset({"vpcshim.hypervisor.errors"}),
    "cli.settings": frozenset({"vpcshim.hypervisor.connection.DEFAULT_TIMEOUT"}),
    "clients.files.transfer": frozenset({"vpcshim.hypervisor.imagelock", "vpcshim.hypervisor.imageerrors"}),
    "testing.node": frozenset({"vpcshim.hypervisor.errors", "vpcshim.hypervisor.domainxml"}),
}


def sources() -> dict[str, Path]:
    """Every module of vpcshim by its dotted name without the package's."""
    found = {}
    for file in sorted(HOME.rglob("*.py")):
        parts = file.relative_to(HOME).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = file
    return found


SOURCES = sources()


def imported(module: str, text: str, *, package: bool = False) -> Iterator[str]:
    """The absolute names that a module imports, wherever in it the import stands."""
    here = ["vpcshim", *([] if module == "__init__" else module.split("."))]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = here if package else here[:-1]
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            # `from vpcshim import com` names a module, `from vpcshim.com.variant import VT` does not: both are
            # given in full, and the first part below vpcshim decides.
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


def room_of(name: str) -> str:
    return name.split(".")[0]


def wrong_imports(module: str, text: str, *, package: bool = False) -> list[str]:
    """What a module imports and may not."""
    room = room_of(module)
    allowed = ALLOWED[room] | {room}
    excepted = EXCEPTIONS.get(module, frozenset())
    wrong = []
    for name in imported(module, text, package=package):
        top, _, rest = name.partition(".")
        if top == "vpcshim":
            target = room_of(rest)
            if (
                target in ALLOWED
                and target not in allowed
                and not any(f"{name}.".startswith(f"{e}.") for e in excepted)
            ):
                wrong.append(name)
        elif (top == "libvirt" and room not in LIBVIRT) or (top == "lxml" and room not in LXML):
            wrong.append(name)
    return wrong


def test_every_room_has_a_rule() -> None:
    rooms = {room_of(module) for module in SOURCES}
    assert {"com", "hypervisor", "model", "cli", "testing", "constants"} <= rooms
    assert rooms <= ALLOWED.keys()


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_one_way(module: str) -> None:
    file = SOURCES[module]
    assert wrong_imports(module, file.read_text(), package=file.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in EXCEPTIONS for name in EXCEPTIONS[module]]
)
def test_every_exception_is_still_needed(module: str, name: str) -> None:
    assert any(f"{used}.".startswith(f"{name}.") for used in imported(module, SOURCES[module].read_text()))


@pytest.mark.parametrize("module", [name for name in SOURCES if room_of(name) == "com"])
def test_com_needs_nothing_but_the_standard_library(module: str) -> None:
    tops = {name.partition(".")[0] for name in imported(module, SOURCES[module].read_text())}
    assert tops <= {*sys.stdlib_module_names, "vpcshim"}


@pytest.mark.parametrize(
    "module", [name for name in SOURCES if room_of(name) not in ("cli", "testing", "__main__")]
)
def test_nothing_imports_the_command_line_or_the_test_plugin(module: str) -> None:
    text = SOURCES[module].read_text()
    assert not [
        name for name in imported(module, text) if f"{name}.".startswith(("vpcshim.cli.", "vpcshim.testing."))
    ]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("com.variant", "import libvirt"),
        ("com.variant", "from lxml import etree"),
        ("com.variant", "from vpcshim.hypervisor.errors import BadXml"),
        ("com.variant", "from vpcshim import model"),
        ("com.variant", "def late():\n    import vpcshim.model.base"),
        ("com.variant", "from ..hypervisor import errors"),
        ("com.variant", "import importlib\nimportlib.import_module('vpcshim.hypervisor')"),
        ("com.variant", "if TYPE_CHECKING:\n    from vpcshim.constants import VMVMState"),
        ("hypervisor.cpu", "from vpcshim.com.hresult import HRESULT"),
        ("hypervisor.cpu", "from vpcshim.model import base"),
        ("model.base", "from vpcshim.cli import main"),
        ("model.base", "from vpcshim.testing.plugin import node"),
        ("model.base", "from lxml import etree"),
        ("cli.accountant", "from vpcshim.hypervisor.connection import Connection"),
        ("cli.accountant", "from ..testing import plugin"),
        ("cli.remedies", "from vpcshim.hypervisor.connection import Connection"),
        ("testing.plugin", "from vpcshim.cli.main import main"),
        ("constants", "from vpcshim.com.variant import VT"),
    ],
)
def test_the_check_can_fail(module: str, text: str) -> None:
    assert wrong_imports(module, text) != []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("com.variant", "from vpcshim.com.errors import Failure\nfrom . import errors\nimport math"),
        ("hypervisor.cpu", "import libvirt\nfrom lxml import etree\nfrom .errors import BadXml"),
        ("model.base", "import libvirt\nfrom vpcshim.com.errors import Failure\nfrom ..constants import VMVMState"),
        ("cli.checks", "from vpcshim.hypervisor.connection import Connection"),
        ("cli.remedies", "from vpcshim.hypervisor.errors import AccessDenied"),
        ("cli.accountant", "from vpcshim._version import __version__\nfrom vpcshim.model import sweep"),
    ],
)
def test_the_check_lets_pass_what_is_right(module: str, text: str) -> None:
    assert wrong_imports(module, text) == []
