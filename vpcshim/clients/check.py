"""What a script uses of the model, as far as its text tells, without running it.

A late-bound script does not say which object a name is asked of. So a name counts as ours when an interface of the
products that the script creates has it; it is unavailable when every interface that has it says so.
"""

from __future__ import annotations

import ast
import bisect
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from vpcshim.clients.files.system import is_file_system
from vpcshim.clients.pywin32.install import STAND_INS
from vpcshim.clients.scripting.globals import FUNCTIONS
from vpcshim.clients.scripting.jsgrammar import Source
from vpcshim.clients.scripting.jstokens import with_lines
from vpcshim.clients.scripting.language import JSCRIPT, VBSCRIPT, Misread, Refused, prepare
from vpcshim.clients.text import Language
from vpcshim.com.member import Member, Product
from vpcshim.model.application import product_of
from vpcshim.model.catalogue import interfaces

# A string, a comment, a member that is asked for, or a handler of an event; what comes first at a place wins.
_VBSCRIPT = re.compile(
    r"""(?P<string>"(?:[^"\n]|"")*")|(?P<comment>'[^\n]*|(?:^|(?<=:))[ \t]*rem\b[^\n]*)"""
    r"""|\.[ \t]*(?P<name>[A-Za-z]\w*)|\b(?:sub|function)[ \t]+\w*?_(?P<handler>On\w+)""",
    re.IGNORECASE | re.MULTILINE,
)
_CREATES = re.compile(r"""\b(?:CreateObject|GetObject)\s*\(?\s*(?:""\s*,\s*)?"([^"'\n]+)\"""", re.IGNORECASE)
_JSCRIPT_CREATES = frozenset(("createobject", "getobject", "activexobject"))
_HANDLER = re.compile(r"[\w$]*?(?:_|::)(?P<handler>On\w+)", re.IGNORECASE)
_PYTHON_CREATES = frozenset(("Dispatch", "DispatchEx", "EnsureDispatch", "CreateObject", "DispatchWithEvents"))

# How alike a name and a member have to be for the one to be the other misspelt (difflib's ratio).
_CLOSE = 0.82


class Unreadable(Exception):
    """The script is not text of its language; the message is `(line, column): why`, or `: why`."""


@dataclass(frozen=True, slots=True)
class Use:
    """A member that the script uses.

    Attributes:
        name: As it is declared.
        interfaces: The interfaces that have it.
        lines: Where the script names it.
        reason: Why it is unavailable wherever it is declared; None where at least one interface serves it.
    """

    name: str
    interfaces: tuple[str, ...]
    lines: tuple[int, ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a script's text tells.

    Attributes:
        products: The products that it creates applications of.
        foreign: Other classes that it creates, and where.
        uses: The members of ours that it names, by name.
        unknown: Names that belong to none of our interfaces (they may be those of other objects), and where.
        refused: What the script's engine would break on, or a module that Python would not find, as
            `(line, column): what`; None where nothing is known.
        unread: Why the script's engine was not asked about its syntax; None where it was, and for Python.
    """

    products: tuple[Product, ...]
    foreign: dict[str, tuple[int, ...]]
    uses: tuple[Use, ...]
    unknown: dict[str, tuple[int, ...]] = field(default_factory=dict)
    refused: str | None = None
    unread: str | None = None

    @property
    def served(self) -> bool:
        """Whether every member that the script names is served by some interface, and `vpcshim run` takes it."""
        return self.refused is None and all(use.reason is None for use in self.uses)


def check(text: str, language: Language, folder: Path | None = None, *, engine: bool = False) -> Report:
    """What the script uses.

    Args:
        text: The script.
        language: Its language.
        folder: Where it stands, and so modules of its own in Python.
        engine: Whether the engine of a VBScript or JScript is asked about its syntax, where there is Wine.

    Raises:
        Unreadable: It is no Python (the texts of the other languages are never refused here).
    """
    created, named = _READERS[language](text)
    products = tuple(dict.fromkeys(filter(None, (product_of(progid) for progid, _ in created))))
    foreign: dict[str, tuple[int, ...]] = {}
    for progid, line in created:
        ours = product_of(progid) is not None or (language != "python" and is_file_system(progid))
        if not ours:
            foreign[progid] = (*foreign.get(progid, ()), line)
    lines: dict[str, list[int]] = {}
    for name, line in named:
        lines.setdefault(name, []).append(line)
    declared = _declared(products or tuple(Product))
    uses: dict[str, Use] = {}
    unknown: dict[str, tuple[int, ...]] = {}
    for name, where in lines.items():
        found = declared.get(name.lower())
        if found is None:
            unknown[name] = (*unknown.get(name, ()), *where)
            continue
        known = uses.get(found[0][1].name)
        before = () if known is None else known.lines
        uses[found[0][1].name] = _use(found, (*before, *where))
    refused, unread = _refused(text, language, folder, engine)
    return Report(products, foreign, tuple(uses[name] for name in sorted(uses)), unknown, refused, unread)


def _refused(text: str, language: Language, folder: Path | None, engine: bool) -> tuple[str | None, str | None]:
    """What is refused, and why the engine was not asked."""
    if language == "python":
        return next(_not_importable(ast.parse(text), folder), None), None
    number = VBSCRIPT if language == "vbscript" else JSCRIPT
    try:
        prepared = prepare(number, text, FUNCTIONS)
    except (Misread, Refused) as error:
        return str(error), None
    if not engine:
        return None, "it was not asked"
    from vpcshim.clients import syntax  # what runs scripts is needed for this alone

    try:
        return syntax.wrong(number, prepared), None
    except syntax.NotRead as error:
        return None, str(error)


def _use(found: list[tuple[str, Member]], lines: Iterable[int]) -> Use:
    served = any(member.unavailable is None for _, member in found)
    reasons: dict[str, list[str]] = {}
    for interface, member in found:
        reasons.setdefault(member.unavailable or "", []).append(interface)
    # The text does not say which of them is meant.
    several = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return Use(
        found[0][1].name,
        tuple(dict.fromkeys(interface for interface, _ in found)),
        tuple(sorted(set(lines))),
        None if served else several if len(reasons) > 1 else found[0][1].unavailable,
    )


def meant(name: str, products: tuple[Product, ...]) -> str | None:
    """The member of ours that a name which is none may have been meant for; None where none is close to it."""
    declared = _declared(products or tuple(Product))
    written = name.lower()
    for close in difflib.get_close_matches(written, declared, n=3, cutoff=_CLOSE):
        if written not in close and close not in written:  # Items and Item are two words, not one misspelt
            return declared[close][0][1].name
    return None


def _declared(products: tuple[Product, ...]) -> dict[str, list[tuple[str, Member]]]:
    """Every member of those products, by its name in lower case, with the interfaces that have it."""
    declared: dict[str, list[tuple[str, Member]]] = {}
    for kind in interfaces():
        if not any(product in kind._iids_ for product in products):
            continue
        for name, member in kind._names_.items():
            if any(member.known_to(product) for product in products):
                declared.setdefault(name, []).append((kind._interface_, member))
    return declared


_Found = tuple[list[tuple[str, int]], list[tuple[str, int]]]


def _of_vbscript(text: str) -> _Found:
    """What a text of VBScript creates, and the members that it names, with their lines."""
    line = _lines(text)
    # Comments are blanked first: what they create and name is not done.
    bare = _VBSCRIPT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m["comment"] is not None else m[0], text)
    created = [(match[1], line(match.start())) for match in _CREATES.finditer(bare)]
    found = ((m[kind], m.start(kind)) for m in _VBSCRIPT.finditer(bare) for kind in ("name", "handler") if m[kind])
    return created, [(name, line(start)) for name, start in found]


def _of_jscript(text: str) -> _Found:
    """The same of JScript; nothing of what is none, which is told as refused."""
    text = with_lines(text)
    line = _lines(text)
    try:
        source = Source(text)
    except (Misread, Refused):
        return [], []
    created: list[tuple[str, int]] = []
    named: list[tuple[str, int]] = []
    for node in source.nodes:
        if node.kind == "member":
            named.append((node.text, line(node.end - 1)))
        elif node.kind in ("new", "call") and node.parts[0].text.lower() in _JSCRIPT_CREATES:
            texts = (one.text[1:-1] for one in node.parts[1:3] if one.kind == "literal" and one.text[0] in "\"'")
            created += [(of, line(node.begin)) for of in texts if of][:1]
    handlers = ((_HANDLER.fullmatch(name), at) for name, at in source.functions)
    named += [(found["handler"], line(at)) for found, at in handlers if found is not None]
    return created, sorted(named, key=lambda one: one[1])


def _lines(text: str) -> Callable[[int], int]:
    """What tells the line of a position, from 1."""
    ends = [found.start() for found in re.finditer("\n", text)]
    return lambda position: bisect.bisect_left(ends, position) + 1


def _of_python(text: str) -> _Found:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Unreadable(f"({error.lineno}, {error.offset}): not Python: {error.msg}") from error
    except ValueError as error:
        raise Unreadable(f": not Python: {error}") from error
    created, named = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            named.append((node.attr, node.lineno))
        elif isinstance(node, ast.Call):
            created += list(_created_by(node))
        elif isinstance(node, ast.ClassDef):
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef))
            named += [(item.name, item.lineno) for item in methods if item.name.lower().startswith("on")]
    return created, named


def _created_by(call: ast.Call) -> Iterator[tuple[str, int]]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    first = call.args[0] if call.args else None
    if name in _PYTHON_CREATES and isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value, call.lineno


def _installed(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except (ValueError, ModuleNotFoundError):  # what is no name of a module, and what the stand-in does not serve
        return False


def _not_importable(tree: ast.AST, folder: Path | None) -> Iterator[str]:
    """The imports of modules that there are not, beside those that the script is prepared to miss."""
    tried = {id(node) for outer in ast.walk(tree) if isinstance(outer, ast.Try) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if id(node) in tried:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        for name in names:
            first = name.partition(".")[0]
            beside = folder is not None and ((folder / f"{first}.py").exists() or (folder / first).is_dir())
            if first in STAND_INS:
                missing = None if name in STAND_INS else name
            else:
                missing = None if beside or _installed(first) else first
            if missing is not None:
                place = f"({node.lineno}, {node.col_offset + 1})" if isinstance(node, ast.stmt) else ""
                yield f"{place}: imports {missing}, which is neither installed here nor part of the stand-in"


_READERS: dict[Language, Callable[[str], _Found]] = {
    "vbscript": _of_vbscript,
    "jscript": _of_jscript,
    "python": _of_python,
}
