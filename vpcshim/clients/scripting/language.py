"""The text of a script as Wine's engines take it: what they lack is put in, what they would break on is refused.

Lines stay what they are (but for texts of JScript that go on in the next), and `Prepared.place` maps places back,
so that an error is reported where it stands in the file. Functions of the host are called as members of one object:
an engine's builtins come before global names, and Wine's VBScript forgets the error of a call through a variable
(`variablecalls.py` is about the script's own).
What else is known to go wrong in Wine 8.0's VBScript: `Dim a()` and then `ReDim` crashes, `ReDim` does not declare,
`ReDim Preserve` wants an array, TypeName(Nothing) crashes, `Erase` and `Execute` are not there; `expressions.py`
has the rest. The scopes of a script are its procedures and classes, as VBScript has them. A class takes one member
a statement, and none that is an array with bounds: lists of members are taken apart, and arrays are made in
Class_Initialize.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from vpcshim.clients.scripting.edits import Edit, Misread, Prepared, Refused, blanked, closing, edited, place
from vpcshim.clients.scripting.expressions import (
    ENGINE,
    HOLDER,
    STATEMENT,
    bracketed_names,
    calls,
    counters,
    error_numbers,
    loops,
    octals,
)
from vpcshim.clients.scripting.jscript import jscript
from vpcshim.clients.scripting.literals import literals
from vpcshim.clients.scripting.variablecalls import assigned, variable_calls

__all__ = ["HOLDER", "JSCRIPT", "VBSCRIPT", "Misread", "Prepared", "Refused", "prepare"]

VBSCRIPT, JSCRIPT = 0, 1


def prepare(
    engine: int, text: str, functions: Iterable[str], *, strict: bool = False, known: frozenset[str] = frozenset()
) -> Prepared:
    """The script's text for the engine.

    Args:
        engine: VBSCRIPT or JSCRIPT.
        text: The script.
        functions: The functions that the host has; they come before the engine's own of the same name.
        strict: Whether `On Error Resume Next`, and `try` where that can be told, are to have no effect.
        known: What texts that the engine had before declare, in lower case.

    Raises:
        Misread: It is no JScript.
        Refused: The engine would break on it.
    """
    return jscript(text, strict=strict) if engine == JSCRIPT else _vbscript(text, functions, known, strict=strict)


_DEAD = re.compile(
    r"""("(?:[^"\r\n]|"")*"?)|(\#[^#\r\n'"]*\#)|('[^\r\n]*|(?:^|(?<=:))[ \t]*rem\b[^\r\n]*)""",
    re.IGNORECASE | re.MULTILINE,
)
_DECLARED = re.compile(
    r"\b(?:function|sub|dim|const|class|public|private)[ \t]+"
    r"(?!(?:function|sub|const|property|default|class)\b)([a-z]\w*)",
    re.IGNORECASE,
)
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
_EXECUTES = re.compile(r"(?<![\w.])(execute|eval)\b(?!\s*=)", re.IGNORECASE)
_FILLED = re.compile(r"(?<![\w.])([a-z]\w*)[ \t]*=[ \t]*(?:split|array|filter)\b", re.IGNORECASE)
_TYPE_NAME = (
    "Function vpcshim_TypeName(v)\r\n"
    f"If VarType(v) = 9 Then\r\nvpcshim_TypeName = {HOLDER}.vpcshim_TypeName(v)\r\n"
    f"Else\r\nvpcshim_TypeName = {HOLDER}.vpcshim_KindName(VarType(v))\r\nEnd If\r\nEnd Function\r\n"
)
# The engine's IsDate knows no texts; its CDate does, and whatever stands in Err stays there.
_IS_DATE = (
    "Function vpcshim_IsDate(v)\r\nDim n, s, d, t\r\nvpcshim_IsDate = (VarType(v) = 7)\r\n"
    "If VarType(v) = 8 Then\r\nIf Not IsNumeric(v) Then\r\n"
    "n = Err.Number: s = Err.Source: d = Err.Description\r\nOn Error Resume Next\r\nErr.Clear\r\nt = CDate(v)\r\n"
    "vpcshim_IsDate = (Err.Number = 0)\r\nErr.Clear\r\nIf n <> 0 Then Err.Raise n, s, d\r\n"
    "End If\r\nEnd If\r\nEnd Function\r\n"
)
# Functions of VBScript that are written in it, before the script, under names that begin with vpcshim_.
_WRITTEN = {"typename": _TYPE_NAME, "isdate": _IS_DATE}
# Those that the host has in the engine's own process, since scripts call them often: host/engine.c.
_OF_ENGINE = frozenset(("trim", "ltrim", "rtrim", "mid", "dateserial", "timeserial"))


@dataclass
class _Scope:
    """A procedure, a class, or the script itself.

    Attributes:
        kind: function, sub, property, class, or "" for the script.
        head: Where the statement that begins it ends.
        declared: The names that it declares, in lower case, and where the statement that does so ends.
        outer: The scope around it.
        begins: Of a class, what its Class_Initialize begins with, by the arrays that this makes.
        initialize: Of a class, where the statement that begins its Class_Initialize ends; None without one.
        close: Of a class, where its `End Class` stands.
    """

    kind: str = ""
    head: int = 0
    declared: dict[str, int] = field(default_factory=dict)
    outer: _Scope | None = None
    begins: dict[str, str] = field(default_factory=dict)
    initialize: int | None = None
    close: int | None = None

    def owner(self, name: str) -> _Scope | None:
        """The scope that declares the name, as seen from here."""
        scope: _Scope | None = self
        while scope is not None and name not in scope.declared:
            scope = scope.outer
        return scope


def _vbscript(text: str, functions: Iterable[str], known: frozenset[str], *, strict: bool) -> Prepared:
    edits: list[Edit] = []
    bare = bracketed_names(blanked(_DEAD, text, kept='"#'), edits)
    words = {word.lower() for word in re.findall(r"\w+", bare)}
    own = _own_names(bare) | known
    written = {name for name in _WRITTEN if name in words and name not in own}
    begun = {f"vpcshim_{name}" for name in written} - known
    prelude = "".join(text for name, text in _WRITTEN.items() if f"vpcshim_{name}" in begun)
    # Before the others: what they insert where a limit begins belongs into its brackets.
    resumed = not strict and _RESUME_NEXT.search(bare) is not None
    for name in loops(bare, edits, resumed=resumed):
        prelude += "" if name in known else f"Dim {name}\r\n"
        begun.add(name)
    opened = calls(bare, edits, _own_arrays(bare))
    if opened and "vpcshim_value" not in known:
        prelude += opened
        begun.add("vpcshim_value")
    variables = (own | assigned(bare)) - known - _procedures(bare)
    variable_calls(bare, edits, variables, more=not words.isdisjoint(("execute", "executeglobal")))
    literals(text, bare, edits, counters(bare) - assigned(bare) - _all_parameters(bare))
    octals(bare, edits)
    if "err" not in own:
        error_numbers(bare, edits)
    if strict:
        for found in _RESUME_NEXT.finditer(bare):
            edits.append((found.start(), found.end(), "On Error GoTo 0"))
    ours = {name.lower() for name in functions} & (words - own)
    engine = _OF_ENGINE & (words - own)
    for found in _WORD.finditer(bare):
        if found[0].lower() in ours:
            edits.append((found.start(), found.start(), f"{HOLDER}."))
        elif found[0].lower() in engine:
            edits.append((found.start(), found.start(), f"{ENGINE}."))
        elif found[0].lower() in written:
            edits.append((found.start(), found.start(), "vpcshim_"))
    prelude += "".join(_arrays(bare, edits, own))
    return replace(edited(prelude, text, edits), own=frozenset(own | begun))


def _own_names(bare: str) -> set[str]:
    """What the script declares anywhere, in lower case: procedures, classes, constants, variables, parameters."""
    own = {match[1].lower() for match in _DECLARED.finditer(bare)}
    for statement in STATEMENT.finditer(bare):
        if found := _SCOPE.match(statement[0]):
            own.update(name.lower() for name in _parameters(found))
        elif found := _DIM.match(statement[0]):
            own.update(name for name, _, _ in _items(bare, statement.start() + found.end(), statement.end()))
    return own


def _parameters(procedure: re.Match[str]) -> list[str]:
    return re.findall(r"(?:\bby(?:ref|val)\s+)?\b([a-z]\w*)", procedure["params"] or "", re.IGNORECASE)


def _all_parameters(bare: str) -> set[str]:
    """The parameters of all procedures, in lower case."""
    scopes = (_SCOPE.match(statement[0]) for statement in STATEMENT.finditer(bare))
    return {name.lower() for scope in scopes if scope is not None for name in _parameters(scope)}


def _procedures(bare: str) -> set[str]:
    """The names of the procedures, properties and classes, in lower case."""
    scopes = (_SCOPE.match(statement[0]) for statement in STATEMENT.finditer(bare))
    return {scope["name"].lower() for scope in scopes if scope is not None}


def _own_arrays(bare: str) -> set[str]:
    """The variables that are declared as arrays or are given one, in lower case; no functions."""
    found = {match[1].lower() for match in _FILLED.finditer(bare)}
    for statement in STATEMENT.finditer(bare):
        head = _DIM.match(statement[0]) or _REDIM.match(statement[0].lstrip())
        if head is None:
            continue
        skipped = len(statement[0]) - len(statement[0].lstrip()) if head.re is _REDIM else 0
        at = statement.start() + skipped + head.end()
        found.update(name for name, bounds, _ in _items(bare, at, statement.end()) if bounds is not None)
    return found - _procedures(bare)


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
    for statement in STATEMENT.finditer(bare):
        words, at, end = statement[0], statement.start(), statement.start() + len(statement[0].rstrip())
        if found := _SCOPE.match(words):
            kind = found["kind"].split()[0].lower()
            scope = _Scope(kind, end, {}, scope)
            scopes.append(scope)
            for name in _parameters(found):
                scope.declared[name.lower()] = -1
            if found["name"].lower() == "class_initialize" and scope.outer is not None:
                scope.outer.initialize = end
        elif _END.match(words):
            scope.close = at + len(words) - len(words.lstrip())
            scope = scope.outer or script
        elif found := _DIM.match(words):
            if scope.kind == "class":
                edits += _members(bare, found[0].strip(), at + found.end(), end)
            for name, begin, close in _items(bare, at + found.end(), end):
                scope.declared[name] = end if scope.kind != "class" else -1
                if begin is None:
                    continue
                bounds = " ".join(re.findall(r"[^\s_]+", bare[begin + 1 : close - 1]))
                if bounds:
                    fixed.add((id(scope), name))
                if scope.kind == "class":
                    size = f": ReDim {name}({bounds})" if bounds else ""
                    scope.begins[name] = f"{name} = Array(){size}"
                elif not bounds:
                    edits.append((end, end, f": {name} = Array()"))
                    scope.declared[name] = -1
                if scope.kind == "class" or not bounds:
                    edits.append((begin, close, re.sub(r"[^\r\n_]", " ", bare[begin:close])))
        elif found := _ERASE.search(words):
            erased.append((scope, found[1].lower(), at + found.start(1), at + found.end(1)))
        for found in _REDIM.finditer(words):
            for name, _, _ in _items(bare, at + found.end(), end):
                redims.append((scope, name, found[1] is not None))
        found = _EXECUTES.search(words) if scope.kind in ("function", "sub", "property") else None
        if found is not None and found[1].lower() not in own:
            text = f"{found[1]} in a procedure reaches its local variables, which Wine's engine cannot do"
            raise Refused(*place(bare, at + found.start(1)), text)
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
        elif owner.kind == "class":
            owner.begins.setdefault(name, f"{name} = Array()")
        elif owner.declared[name] >= 0:
            begun.add((id(owner), name))
            edits.append((owner.declared[name], owner.declared[name], f": {name} = Array()"))
    for scope, name, begin, end in erased:
        owner = scope.owner(name)
        if owner is not None and (id(owner), name) in fixed:
            raise Refused(*place(bare, begin), f"Wine's engine cannot Erase {name}, an array of fixed size")
        erase = re.search(r"erase\s+$", bare[:begin], re.IGNORECASE)
        assert erase is not None
        edits.append((erase.start(), end, f"{name} = Array()"))
    for scope in scopes:
        edits += _initialized(scope)
    return prelude


def _members(bare: str, word: str, at: int, end: int) -> list[Edit]:
    """A list of a class's members as a statement for each, all beginning with the word of the first."""
    depth, edits = 0, []
    for i in range(at, end):
        depth += (bare[i] == "(") - (bare[i] == ")")
        if bare[i] == "," and not depth:
            edits.append((i, i + 1, f": {word}" if bare[i + 1].isspace() else f": {word} "))
    return edits


def _initialized(scope: _Scope) -> list[Edit]:
    """What a class's Class_Initialize has to begin with, in the one that it has or in one made for it."""
    begins = ": ".join(scope.begins.values())
    if not begins:
        return []
    if scope.initialize is not None:
        return [(scope.initialize, scope.initialize, f": {begins}")]
    if scope.close is None:
        return []  # a class without an end: the engine says so
    return [(scope.close, scope.close, f"Private Sub Class_Initialize: {begins}: End Sub: ")]


def _items(bare: str, at: int, end: int) -> list[tuple[str, int | None, int]]:
    """The names of a list of declarations, each with where its bounds begin (None without) and end."""
    items: list[tuple[str, int | None, int]] = []
    while at < end:
        found = _NAME.match(bare, at, end)
        if found is None:
            return items
        at = found.end()
        begin = re.compile(r"\s*\(").match(bare, at, end)
        close = None if begin is None else closing(bare, begin.end())
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
