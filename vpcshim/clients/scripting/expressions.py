"""What Wine 8.0's VBScript gets wrong within statements, and what stands there instead.

- `For i = 1 To "3"` never ends: a loop's numbers have to be numbers, so 0 is added to each. Nor does a loop whose
  limit or step fails under `On Error Resume Next`: they are put in a variable before, which holds those of a loop
  that runs once until all are known.
- `[a name]` is not known: it becomes the name, or one made of it.
- `S (a) / b` is a syntax error: the brackets become those of a function.
- `f(a)(i)` loses its index, and `f(a)(i) = x` crashes: the host takes the element or assigns to it; where `f` is an
  array of the script's, of which the host has a copy alone, the script is refused.
- `Err.Number` is an HRESULT where the engine has no number of its own.
- `&O17` is a syntax error: the same number is written in hexadecimal digits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from vpcshim.clients.scripting.edits import Edit, Refused, closing, place

# What scripts call: functions of this process, and those of the script host's own (host/engine.c).
HOLDER, ENGINE = "vpcshim_functions", "vpcshim_engine"
# A statement: to the end of the line or a colon, with the lines that it is continued on.
STATEMENT = re.compile(r"(?:(?<!\w)_[ \t]*\r?\n|[^:\r\n])+")

_BRACKETED = re.compile(r"\[([^\]\r\n]*)\]")
_PLAIN = re.compile(r"[A-Za-z]\w*")
_KEYWORDS = frozenset(
    (
        *(
            "and",
            "byref",
            "byval",
            "call",
            "case",
            "class",
            "const",
            "dim",
            "do",
            "each",
            "else",
            "elseif",
            "empty",
        ),
        *(
            "end",
            "eqv",
            "erase",
            "error",
            "exit",
            "explicit",
            "false",
            "for",
            "function",
            "get",
            "goto",
            "if",
            "imp",
        ),
        *("in", "is", "let", "loop", "me", "mod", "new", "next", "not", "nothing", "null", "on", "option", "or"),
        *("preserve", "private", "property", "public", "redim", "rem", "resume", "select", "set", "step", "stop"),
        *("sub", "then", "to", "true", "until", "wend", "while", "with", "xor"),
    )
)
_FOR = re.compile(r"(?<![\w.])for[ \t]+([a-z]\w*(?:\.\w+|\([^()]*\))?)\s*=", re.IGNORECASE)
_TO = re.compile(r"(?<![\w.])to\b", re.IGNORECASE)
_STEP = re.compile(r"(?<![\w.])step\b", re.IGNORECASE)
_TRIMMED = re.compile(r"(?:\s|(?<!\w)_(?=\s))*(.*?)(?:\s|(?<!\w)_(?=\s))*", re.DOTALL)
_LITERAL = re.compile(r"[-+]?[ \t]*\d+(?:\.\d*)?")
_CHAIN = re.compile(r"(?<![\w.)])\.?[a-z]\w*", re.IGNORECASE)
_MEMBER = re.compile(r"\.[ \t]*\w+")
_OPEN = re.compile(r"[ \t]*\(")
_OPERATOR = re.compile(r"[ \t]*(?:[-+*/\\^&<>]|(?:and|or|xor|mod|eqv|imp|is)\b)", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?<![\w.])(?:set|let)[ \t]+\Z", re.IGNORECASE)
_BRANCH = re.compile(r"(?<![\w.])(?:then|else)\b", re.IGNORECASE)
_ERR = re.compile(r"(?<![\w.])err[ \t]*\.[ \t]*(number|description)\b", re.IGNORECASE)
_PUT = re.compile(r"[ \t]*=")
_OCTAL = re.compile(r"&o([0-7]+)(?=&|(?!\w))", re.IGNORECASE)
# What a value ends with: behind one, `&` joins; not behind what a statement calls.
_CALLED = re.compile(r"\.?[a-z]\w*(?:\.\w+)*[ \t]+&", re.IGNORECASE)
_VALUE_BEFORE = re.compile(r"(?:([a-z]\w*)|[\w)\"#])[ \t]*\Z", re.IGNORECASE)
_VALUE = (
    "Function vpcshim_value(v)\r\nIf IsObject(v) Then\r\nSet vpcshim_value = v\r\nElse\r\nvpcshim_value = v\r\n"
    "End If\r\nEnd Function\r\n"
)


def bracketed_names(bare: str, edits: list[Edit]) -> str:
    """`[name]` without its brackets, or as a name made of it; returns the text as it is then read here.

    Raises:
        Refused: A member's name is none that can stand without brackets.
    """

    def taken(match: re.Match[str]) -> str:
        name, (begin, end) = match[1], match.span()
        member = bare[:begin].rstrip(" \t").endswith(".")
        if _PLAIN.fullmatch(name) and (member or name.lower() not in _KEYWORDS):
            edits.extend(((begin, begin + 1, ""), (end - 1, end, "")))
            return f" {name} "
        if member or not name:
            text = f"Wine's engine knows no names in square brackets, and {match[0]} can have no other"
            raise Refused(*place(bare, begin), text)
        made = f"vpcshim_name_{name.lower().encode('utf-16-be', 'surrogatepass').hex()}"
        # Each bracket by itself: what others insert around the name stands between them.
        edits.extend(((begin, begin + 1, ""), (begin + 1, end - 1, made), (end - 1, end, "")))
        return f" {'_' * len(name)} "

    return _BRACKETED.sub(taken, bare)


def loops(bare: str, edits: list[Edit], *, resumed: bool) -> list[str]:
    """Let the begin, the end and the step of each loop be numbers, whatever they were.

    Args:
        bare: The text without its strings and comments.
        edits: Where the changes are added.
        resumed: Whether the text has an `On Error Resume Next`, under which a loop may not fail either.

    Returns:
        The variables that are to be declared before the script.
    """
    declared: list[str] = []
    for statement in STATEMENT.finditer(bare):
        begin, end = statement.span()
        head = _FOR.search(bare, begin, end)
        to = head and _TO.search(bare, head.end(), end)
        if head is None or to is None:
            continue
        step = _STEP.search(bare, to.end(), end)
        spans = [(head.end(), to.start()), (to.end(), step.start() if step else end)]
        # A statement that goes on in the next line does so outside of the brackets.
        inners = [
            inner.span(1)
            for span in (*spans, *([(step.end(), end)] if step else ()))
            if (inner := _TRIMMED.fullmatch(bare, *span)) is not None and inner[1]
        ]
        computed = [span for span in inners if not _LITERAL.fullmatch(bare, *span)]
        for first, last in computed:
            edits.extend(((first, first, "("), (last, last, ") + 0")))
        if resumed and computed:
            name = f"vpcshim_loop{len(declared) + 1}"
            declared.append(name)
            # The loop's variable is among them so that, where it is not declared, this is what fails: at the loop.
            tail = f"{'' if step else ', 1'}, {head[1]}): For {head[1]} = {name}(0) To {name}(1) Step {name}(2)"
            # The brackets of a name within the head went already, and are not in head[1].
            edits[:] = [edit for edit in edits if not head.start() <= edit[0] < head.end()]
            edits.append((head.start(), head.end(), f"{name} = Array(0, 0, 1): {name} = Array("))
            edits.extend((*word.span(), ",") for word in (to, step) if word)
            edits.append((inners[-1][1], inners[-1][1], tail))
    return declared


def counters(bare: str) -> set[str]:
    """The variables that loops count with, in lower case."""
    return {found[1].lower() for found in _FOR.finditer(bare)}


def calls(bare: str, edits: list[Edit], arrays: set[str]) -> str:
    """Arguments that begin with a bracket, and indices behind a call; returns what is declared before the script.

    Args:
        bare: The text without its strings and comments.
        edits: Where the changes are added.
        arrays: The names that are arrays of the script's own, in lower case: the engine indexes those.

    Raises:
        Refused: Something is assigned to an index behind that of an array.
    """
    begins = _beginnings(bare)
    opened = False
    for found in _CHAIN.finditer(bare):
        if found[0].lower() in _KEYWORDS:
            continue
        groups = _groups(bare, found.end())
        target = (
            found.start() in begins
            or _ASSIGNED.search(bare[max(0, found.start() - 80) : found.start()]) is not None
        )
        for (_, before), (opening, close) in itertools.pairwise(groups):
            if bare[before:opening].strip():
                continue  # a member of what the call gave
            own = found[0].lower() in arrays
            last = close == groups[-1][1] and not _MEMBER.match(bare, close)
            if target and last and (own or not _PUT.match(bare, close)):
                what = f"{found[0]}(...)"
                text = f"Wine's engine has no index behind {what}: assign what it gives to a variable first"
                raise Refused(*place(bare, found.start()), text)
            if len(groups) > 2 or target or not own:
                edits.append((found.start(), found.start(), f"{HOLDER}.vpcshim_At("))
                edits.append((opening, opening + 1, ", "))
        if target and groups and _OPERATOR.match(bare, groups[-1][1]):
            edits.append((groups[-1][0], groups[-1][0], " vpcshim_value"))
            opened = True
    return _VALUE if opened else ""


def begun(bare: str) -> Iterator[tuple[int, int]]:
    """Where statements begin, those behind Then and Else too, and where the line or a colon ends them."""
    for statement in STATEMENT.finditer(bare):
        begin, end = statement.span()
        for at in (begin, *(branch.end() for branch in _BRANCH.finditer(bare, begin, end))):
            yield at + len(bare[at:end]) - len(bare[at:end].lstrip()), end


def _beginnings(bare: str) -> set[int]:
    return {at for at, _ in begun(bare)}


def _groups(bare: str, at: int) -> list[tuple[int, int]]:
    """The brackets of `a.b(1).c(2)(3)` behind its first name: where each opens and where it is closed."""
    groups: list[tuple[int, int]] = []
    while True:
        if member := _MEMBER.match(bare, at):
            at = member.end()
        elif opening := _OPEN.match(bare, at):
            close = closing(bare, opening.end())
            if close is None:
                return groups
            groups.append((opening.end() - 1, close))
            at = close
        else:
            return groups


def error_numbers(bare: str, edits: list[Edit]) -> None:
    """`Err.Number` and `Err.Description` as VBScript documents them."""
    begins = _beginnings(bare)
    for found in _ERR.finditer(bare):
        if found.start() in begins and _PUT.match(bare, found.end()):
            continue
        number = found[1].lower() == "number"
        call = f"{HOLDER}.vpcshim_Number(" if number else f"{HOLDER}.vpcshim_Description(Err.Number, "
        edits.extend(((found.start(), found.start(), call), (found.end(), found.end(), ")")))


def octals(bare: str, edits: list[Edit]) -> None:
    """Numbers with octal digits, where `&` cannot be the operator, with hexadecimal ones."""
    called = {head.end() - 1 for at in _beginnings(bare) if (head := _CALLED.match(bare, at))}
    for found in _OCTAL.finditer(bare):
        before = _VALUE_BEFORE.search(bare[max(0, found.start() - 80) : found.start()])
        if before is None or (before[1] or "").lower() in _KEYWORDS or found.start() in called:
            edits.append((found.start(), found.end(), f"&H{int(found[1], 8):X}"))
