"""The text of a script as Wine's engines take it: what they lack is put in, what they would break on is refused.

Lines stay what they are, and `Prepared.place` maps columns back, so that an error is reported where it stands in
the file. Functions of the host are called as members of one object: an engine's builtins come before global names,
and Wine's VBScript forgets the error of a call through a variable. What else is known to go wrong in Wine 8.0's
VBScript: `Dim a()` and then `ReDim` crashes, `ReDim` does not declare, `ReDim Preserve` wants an array, an index
behind a call's arguments (`Split(t)(1)`) is silently dropped, TypeName(Nothing) crashes, `Erase` and
`Execute` are not there. The scopes of a script are its procedures and classes, as VBScript has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

VBSCRIPT, JSCRIPT = 0, 1
HOLDER = "vpcshim_functions"


class Refused(Exception):
    """The engine would break on it; the message names what and where."""

    def __init__(self, line: int, column: int, text: str) -> None:
        super().__init__(f"({line}, {column}): {text}")


Edit = tuple[int, int, str]


@dataclass(frozen=True)
class Prepared:
    """What the engine is given.

    Attributes:
        prelude: A text that runs first.
        text: The script's text.
        original: The script's text as it was.
        edits: What was changed: from where to where in the original, and what stands there now; in order.
    """

    prelude: str
    text: str
    original: str
    edits: tuple[Edit, ...]

    def place(self, line: int, column: int) -> tuple[int, int]:
        """Where in the original a place of the text stands; lines and columns count from 1."""
        begin = 0
        for _ in range(line - 1):
            begin = self.text.find("\n", begin) + 1
        at, moved = begin + column - 1, 0
        for start, end, new in self.edits:
            now = start + moved
            if at < now:
                break
            if at < now + len(new):
                return _place(self.original, start)
            moved += len(new) - (end - start)
        return _place(self.original, min(at - moved, len(self.original)))


def _edited(prelude: str, text: str, edits: list[Edit]) -> Prepared:
    ordered = tuple(sorted(edits, key=lambda edit: edit[:2]))
    parts, at = [], 0
    for begin, end, new in ordered:
        parts += [text[at:begin], new]
        at = end
    return Prepared(prelude, "".join((*parts, text[at:])), text, ordered)


def prepare(engine: int, text: str, functions: Iterable[str], *, strict: bool = False) -> Prepared:
    """The script's text for the engine.

    Args:
        engine: VBSCRIPT or JSCRIPT.
        text: The script.
        functions: The functions that the host has; they come before the engine's own of the same name.
        strict: Whether `On Error Resume Next` is to have no effect.

    Raises:
        Refused: The engine would break on it.
    """
    return _jscript(text) if engine == JSCRIPT else _vbscript(text, functions, strict=strict)


# -- JScript ---------------------------------------------------------------------------------------------------

_JS_DEAD = re.compile(r"""("(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')|(//[^\r\n]*|/\*.*?\*/)""", re.DOTALL)
_JS_FUNCTION = re.compile(r"(?<![\w$.])(?:new\s+(?=ActiveXObject\b)|(?=GetObject\s*\())")


def _jscript(text: str) -> Prepared:
    # A host's object cannot be constructed by Wine's engine, but it can be called.
    found = _JS_FUNCTION.finditer(_blanked(_JS_DEAD, text))
    return _edited("", text, [(match.start(), match.end(), f"{HOLDER}.") for match in found])


# -- VBScript --------------------------------------------------------------------------------------------------

_DEAD = re.compile(
    r"""("(?:[^"\r\n]|"")*"?)|('[^\r\n]*|(?:^|(?<=:))[ \t]*rem\b[^\r\n]*)""", re.IGNORECASE | re.MULTILINE
)
_DECLARED = re.compile(r"\b(?:function|sub|dim|const|class|public|private)\s+([a-z]\w*)", re.IGNORECASE)
_STATEMENT = re.compile(r"(?:[^:\r\n]|_[ \t]*\r?\n)+")
_SCOPE = re.compile(
    r"^\s*(?:(?:public|private)\s+)?(?:default\s+)?(?P<kind>function|sub|class|property\s+(?:get|let|set))"
    r"\s+(?P<name>\w+)\s*(?P<params>\([^)\r\n]*\))?",
    re.IGNORECASE,
)
_END = re.compile(r"^\s*end\s+(function|sub|class|property)\b", re.IGNORECASE)
_DIM = re.compile(r"^\s*(?:dim|public|private)\s+(?!function\b|sub\b|property\b|const\b|default\b)", re.IGNORECASE)
_REDIM = re.compile(r"\bredim\s+(preserve\s+)?", re.IGNORECASE)
_NAME = re.compile(r"\s*([a-z]\w*)", re.IGNORECASE)
_WORD = re.compile(r"(?<![\w.\[])[a-z]\w*", re.IGNORECASE)
_RESUME_NEXT = re.compile(r"\bon[ \t]+error[ \t]+resume[ \t]+next\b", re.IGNORECASE)
_ERASE = re.compile(r"(?:^|(?<=\bthen)|(?<=\belse))\s*erase\s+([a-z]\w*)", re.IGNORECASE)
_CALLED = re.compile(r"(?<![\w.\]])([a-z]\w*)\s*\(", re.IGNORECASE)
_EXECUTES = re.compile(r"(?<![\w.])(execute|eval)\b(?!\s*=)", re.IGNORECASE)
# What answers with an array; an index right behind its arguments is lost on Wine's engine.
_ARRAYS = frozenset(("split", "array", "filter"))
_TYPE_NAME = (
    "Function TypeName(v)\r\n"
    f"If VarType(v) = 9 Then\r\nTypeName = {HOLDER}.vpcshim_TypeName(v)\r\n"
    f"Else\r\nTypeName = {HOLDER}.vpcshim_KindName(VarType(v))\r\nEnd If\r\nEnd Function\r\n"
)


@dataclass
class _Scope:
    """A procedure, a class, or the script itself.

    Attributes:
        kind: function, sub, property, class, or "" for the script.
        head: Where the statement that begins it ends.
        declared: The names that it declares, in lower case, and where the statement that does so ends.
        outer: The scope around it.
    """

    kind: str = ""
    head: int = 0
    declared: dict[str, int] = field(default_factory=dict)
    outer: _Scope | None = None
    redims: dict[str, bool] = field(default_factory=dict)

    def owner(self, name: str) -> _Scope | None:
        """The scope that declares the name, as seen from here."""
        scope: _Scope | None = self
        while scope is not None and name not in scope.declared:
            scope = scope.outer
        return scope


def _vbscript(text: str, functions: Iterable[str], *, strict: bool) -> Prepared:
    bare = _blanked(_DEAD, text)
    words = {word.lower() for word in re.findall(r"\w+", bare)}
    own = _own_names(bare)
    prelude = _TYPE_NAME if "typename" in words and "typename" not in own else ""
    edits: list[Edit] = []
    if strict:
        for found in _RESUME_NEXT.finditer(bare):
            edits.append((found.start(), found.end(), "On Error GoTo 0"))
    ours = {name.lower() for name in functions} & (words - own)
    for found in _WORD.finditer(bare):
        if found[0].lower() in ours:
            edits.append((found.start(), found.start(), f"{HOLDER}."))
    _indexed_calls(bare, own)
    prelude += "".join(_arrays(bare, edits, own))
    return _edited(prelude, text, edits)


def _own_names(bare: str) -> set[str]:
    """What the script declares anywhere, in lower case: procedures, classes, constants, variables, parameters."""
    own = {match[1].lower() for match in _DECLARED.finditer(bare)}
    for statement in _STATEMENT.finditer(bare):
        if found := _SCOPE.match(statement[0]):
            own.update(name.lower() for name in _parameters(found))
        elif found := _DIM.match(statement[0]):
            own.update(name for name, _, _ in _items(bare, statement.start() + found.end(), statement.end()))
    return own


def _parameters(procedure: re.Match[str]) -> list[str]:
    return re.findall(r"(?:\bby(?:ref|val)\s+)?\b([a-z]\w*)", procedure["params"] or "", re.IGNORECASE)


def _indexed_calls(bare: str, own: set[str]) -> None:
    """Refuse `Split(text)(1)`."""
    for found in _CALLED.finditer(bare):
        if found[1].lower() not in _ARRAYS or found[1].lower() in own:
            continue
        end = _closing(bare, found.end())
        if end is not None and re.match(r"[ \t]*\(", bare[end:]):
            name = found[1]
            text = f"Wine's engine drops the index behind {name}(...): assign what {name} gives to a variable first"
            raise Refused(*_place(bare, found.start(1)), text)


def _arrays(bare: str, edits: list[Edit], own: set[str]) -> list[str]:
    """The edits that dynamic arrays need; returns what is declared before the script.

    Raises:
        Refused: `Erase` of an array of fixed size, Execute or Eval in a procedure.
    """
    script = _Scope()
    scope = script
    scopes = [script]
    redims: list[tuple[_Scope, str, bool]] = []
    erased: list[tuple[_Scope, str, int, int]] = []
    fixed: set[tuple[int, str]] = set()
    for statement in _STATEMENT.finditer(bare):
        words, at, end = statement[0], statement.start(), statement.start() + len(statement[0].rstrip())
        if found := _SCOPE.match(words):
            kind = found["kind"].split()[0].lower()
            scope = _Scope(kind, end, {}, scope)
            scopes.append(scope)
            for name in _parameters(found):
                scope.declared[name.lower()] = -1
        elif _END.match(words):
            scope = scope.outer or script
        elif found := _DIM.match(words):
            for name, begin, close in _items(bare, at + found.end(), end):
                scope.declared[name] = end if scope.kind != "class" else -1
                if begin is None:
                    continue
                if not bare[begin + 1 : close - 1].strip():
                    edits.append((begin, close, " " * (close - begin)))
                    if scope.kind != "class":
                        edits.append((end, end, f": {name} = Array()"))
                        scope.declared[name] = -1
                else:
                    fixed.add((id(scope), name))
        elif found := _ERASE.search(words):
            erased.append((scope, found[1].lower(), at + found.start(1), at + found.end(1)))
        for found in _REDIM.finditer(words):
            for name, _, _ in _items(bare, at + found.end(), end):
                redims.append((scope, name, found[1] is not None))
        found = _EXECUTES.search(words) if scope.kind in ("function", "sub", "property") else None
        if found is not None and found[1].lower() not in own:
            text = f"{found[1]} in a procedure reaches its local variables, which Wine's engine cannot do"
            raise Refused(*_place(bare, at + found.start(1)), text)
    prelude = []
    begun: set[tuple[int, str]] = set()
    for scope, name, preserve in redims:
        owner = scope.owner(name)
        where = owner or (scope if scope.kind in ("function", "sub", "property") else script)
        if (id(where), name) in begun or (owner is not None and not preserve):
            continue
        if owner is None:
            begun.add((id(where), name))
            where.declared[name] = -1
            if where is script:
                prelude.append(f"Dim {name}: {name} = Array()\r\n")
            else:
                edits.append((where.head, where.head, f": Dim {name}: {name} = Array()"))
        elif owner.declared[name] >= 0:
            begun.add((id(owner), name))
            edits.append((owner.declared[name], owner.declared[name], f": {name} = Array()"))
    for scope, name, begin, end in erased:
        owner = scope.owner(name)
        if owner is not None and (id(owner), name) in fixed:
            raise Refused(*_place(bare, begin), f"Wine's engine cannot Erase {name}, an array of fixed size")
        erase = re.search(r"erase\s+$", bare[:begin], re.IGNORECASE)
        assert erase is not None
        edits.append((erase.start(), end, f"{name} = Array()"))
    return prelude


def _items(bare: str, at: int, end: int) -> list[tuple[str, int | None, int]]:
    """The names of a list of declarations, each with where its bounds begin (None without) and end."""
    items: list[tuple[str, int | None, int]] = []
    while at < end:
        found = _NAME.match(bare, at, end)
        if found is None:
            return items
        at = found.end()
        begin = re.compile(r"\s*\(").match(bare, at, end)
        close = None if begin is None else _closing(bare, begin.end())
        if begin is not None and close is not None:
            items.append((found[1].lower(), begin.end() - 1, close))
            at = close
        else:
            items.append((found[1].lower(), None, at))
        comma = re.compile(r"[\s_]*,[\s_]*").match(bare, at, end)
        if comma is None:
            return items
        at = comma.end()
    return items


def _closing(bare: str, at: int) -> int | None:
    """Where the bracket that was opened before `at` is closed, one further."""
    depth = 1
    for i in range(at, len(bare)):
        if bare[i] in "()":
            depth += 1 if bare[i] == "(" else -1
            if not depth:
                return i + 1
        elif bare[i] == "\n" and not bare[:i].rstrip(" \t\r").endswith("_"):
            return None
    return None


def _blanked(pattern: re.Pattern[str], text: str) -> str:
    """The text with its strings and comments blanked, every character in its place."""
    return pattern.sub(lambda match: re.sub(r"[^\r\n]", " ", match[0]), text)


def _place(text: str, position: int) -> tuple[int, int]:
    """The line and the column, from 1."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
