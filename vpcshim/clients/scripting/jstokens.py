"""The tokens of a text in JScript 5.

Sources: ECMA-262, 3rd edition, clause 7; the JScript reference, Conditional Compilation and JScript Syntax Errors.
Whether a slash begins a regular expression is known to who reads the grammar: `Tokens.pattern` is asked then.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from vpcshim.clients.scripting.edits import Edit, Misread, place

# Texts of Microsoft's engine for its errors of syntax, by their numbers.
ERRORS = {
    1002: "Syntax error",
    1003: "Expected ':'",
    1004: "Expected ';'",
    1005: "Expected '('",
    1006: "Expected ')'",
    1007: "Expected ']'",
    1008: "Expected '{'",
    1009: "Expected '}'",
    1010: "Expected identifier",
    1012: "Expected '/'",
    1014: "Invalid character",
    1015: "Unterminated string constant",
    1016: "Unterminated comment",
    1018: "'return' statement outside of function",
    1019: "Can't have 'break' outside of loop",
    1020: "Can't have 'continue' outside of loop",
    1023: "Expected hexadecimal digit",
    1024: "Expected 'while'",
    1025: "Label redefined",
    1026: "Label not found",
    1027: "'default' can only appear once in a 'switch' statement",
    1028: "Expected identifier, string or number",
    1033: "Expected 'catch'",
    1035: "Throw must be followed by an expression on the same source line",
}
# Reserved as names; what else the standard keeps for the future, Microsoft's engine takes.
KEYWORDS = frozenset(
    (
        *("break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else"),
        *("enum", "export", "extends", "false", "finally", "for", "function", "if", "import", "in", "instanceof"),
        *("new", "null", "return", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void"),
        *("while", "with"),
    )
)
_ENDS = "\n\r\u2028\u2029"
_NAME = r"(?:[^\W\d]|\$|\\u[0-9A-Fa-f]{4})(?:[\w$]|\\u[0-9A-Fa-f]{4})*"
_TOKEN = re.compile(
    rf"""(?P<space>[\s\ufeff]+)|(?P<comment>//(?!@)[^{_ENDS}]*|/\*(?!@).*?\*/)|(?P<name>{_NAME})"""
    r"""|(?P<number>0[xX][0-9A-Fa-f]*|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"""
    rf"""|(?P<text>"(?:[^"\\{_ENDS}]|\\(?:\r\n|.))*"|'(?:[^'\\{_ENDS}]|\\(?:\r\n|.))*')"""
    r"""|(?P<at>@\*/|(?P<opened>/\*|//)?@(?P<word>\w*))"""
    r"""|(?P<op>>>>=|===|!==|>>>|<<=|>>=|[-+*%&|^=!<>]=|\+\+|--|&&|\|\||<<|>>|::|/(?!\*)=?"""
    r"""|[-{}()\[\].;,<>+*%&|^!~?:=])""",
    re.DOTALL,
)
_PATTERN = re.compile(rf"/(?:\\[^{_ENDS}]|\[(?:\\[^{_ENDS}]|[^\]\\{_ENDS}])*\]|[^/\\\[{_ENDS}])+/[A-Za-z]*")
_NO_HEXADECIMAL = re.compile(r"\\(?:\\|(?P<wrong>u(?![0-9A-Fa-f]{4})|x(?![0-9A-Fa-f]{2})))")
_ESCAPED_END = re.compile(rf"\\(?:(?P<end>\r\n|[{_ENDS}])|.)", re.DOTALL)
_DIRECTIVES = frozenset(("cc_on", "if", "elif", "else", "end", "set"))
_BEGINS = frozenset(("cc_on", "if", "set"))
_BRANCHES = frozenset(("if", "elif", "else", "end"))
_LINE_END = re.compile(rf"[{_ENDS}]|\Z")
_COMMENT_END = re.compile(r"@?\*/")
_SET_END = re.compile(rf"[;{_ENDS}]|@\*/")
_OTHER_END = re.compile("\r(?!\n)|[\u2028\u2029]")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")


def with_lines(text: str) -> str:
    """The text with an end of line that the engine counts wherever JScript has one."""
    return _OTHER_END.sub("\n", text)


class Token(NamedTuple):
    """A token.

    Attributes:
        kind: name, keyword, number, text, pattern, op or end.
        begin: Where it begins in the text.
        end: Where it ends.
        new_line: Whether a line ends before it.
        text: The token.
        branch: Whether a branch of conditional compilation begins or ends before it.
    """

    kind: str
    begin: int
    end: int
    new_line: bool
    text: str
    branch: bool = False


class Tokens:
    """Reads tokens from a text.

    Args:
        text: The text.

    Attributes:
        conditional: Whether conditional compilation has been turned on, as far as has been read.
        branches: Whether something stands in branches of it.
        edits: What the engine has to be given instead: no line ends within strings, no `@` where a comment begins
            that is none of conditional compilation's, and no marks of a comment that it makes code of.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.conditional = self.branches = False
        self._ends: dict[int, int] = {}
        self.edits: list[Edit] = []

    def wrong(self, number: int, at: int, more: str = "") -> Misread:
        """The error at that place."""
        return Misread(*place(self._text, at), number, f"{ERRORS[number]}{more}")

    def opened(self, at: int) -> str:
        """Which bracket an error is about."""
        line, column = place(self._text, at)
        return f", for the {self._text[at]} at ({line}, {column})"

    def next(self, at: int) -> Token:
        """The first token from there on; raises Misread where there is none."""
        text, new_line, branch = self._text, False, False
        while (at := self._ends.get(at, at)) < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._none(at)
            kind, at = found.lastgroup, found.end()
            if kind == "at":
                if found["opened"]:
                    at = self._comment(found)
                elif found["word"] in _DIRECTIVES:
                    branch = branch or found["word"] in _BRANCHES
                    at = self._directive(found["word"], at)
                elif found["word"]:
                    return Token("name", found.start(), at, new_line, found[0], branch)
                elif found[0] == "@":
                    raise self.wrong(1014, found.start())
            elif kind in ("space", "comment"):
                new_line = new_line or any(end in found[0] for end in _ENDS)
            elif kind == "name":
                return self._name(found, new_line)._replace(branch=branch)
            else:
                assert kind is not None
                if kind == "text":
                    self._string(found)
                elif found[0] in ("0x", "0X"):
                    raise self.wrong(1023, at)
                return Token(kind, found.start(), at, new_line, found[0], branch)
        return Token("end", len(text), len(text), new_line, "", branch)

    def pattern(self, slash: Token) -> Token:
        """The regular expression that begins with a slash."""
        found = _PATTERN.match(self._text, slash.begin)
        if found is None:
            raise self.wrong(1012, slash.begin)
        return Token("pattern", slash.begin, found.end(), slash.new_line, found[0])

    def _none(self, at: int) -> Misread:
        if self._text.startswith("/*", at):
            return self.wrong(1016, at)
        return self.wrong(1015 if self._text[at] in "\"'" else 1014, at)

    def _name(self, found: re.Match[str], new_line: bool) -> Token:
        name = found[0]
        if "\\" in name:
            # The engine does not know what is escaped.
            name = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), name)
            if name in KEYWORDS:
                raise self.wrong(1010, found.start())
            self.edits.append((*found.span(), name))
            return Token("name", *found.span(), new_line, name)
        return Token("keyword" if name in KEYWORDS else "name", *found.span(), new_line, name)

    def _string(self, found: re.Match[str]) -> None:
        for escape in _NO_HEXADECIMAL.finditer(found[0]):
            if escape["wrong"]:
                raise self.wrong(1023, found.start() + escape.end())
        if "\\" in found[0]:
            escapes = _ESCAPED_END.finditer(self._text, found.start(), found.end())
            # The engine keeps the line's end, which is no part of the string.
            self.edits += [(one.start(), one.end(), "") for one in escapes if one["end"] is not None]

    def _comment(self, found: re.Match[str]) -> int:
        """Where the text goes on behind the `@` at the beginning of a comment."""
        begin, at, line = found.start(), found.end(), found["opened"] == "//"
        if found["word"] in _BEGINS or (self.conditional and found["word"] in _DIRECTIVES):
            return begin + 2
        end = _LINE_END.search(self._text, at) if line else _COMMENT_END.search(self._text, at)
        if end is None:
            raise self.wrong(1016, begin)
        if not self.conditional:
            self.edits.append((begin + 2, begin + 2, " "))
            return end.start() if line else end.end()
        # The engine takes it for a comment: a comment of code is code where conditional compilation is on.
        self.edits.append((begin, begin + 3, "   "))
        if not line:
            self.edits.append((*end.span(), " " * len(end[0])))
            self._ends[end.start()] = end.end()
        return begin + 3

    def _directive(self, word: str, at: int) -> int:
        """Where the text goes on behind a directive."""
        text = self._text
        self.conditional = self.conditional or word in _BEGINS
        self.branches = self.branches or word == "if"
        if word == "set":
            end = _SET_END.search(text, at)
            return len(text) if end is None else end.start()
        if word not in ("if", "elif"):
            return at
        depth, begin = 0, text.find("(", at)
        at = len(text) if begin < 0 else begin
        while at < len(text):
            depth += (text[at] == "(") - (text[at] == ")")
            at += 1
            if not depth:
                break
        return at
