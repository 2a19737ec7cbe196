"""The grammar of JScript 5: where a text's errors of syntax are, and what it is made of.

Wine's engine tells an error of syntax at the bracket that is open there, or drops what it does not understand
without a word. So a script is read here before. Sources: ECMA-262, 3rd edition, clauses 7.9 and 11 to 14; what
Microsoft's engine takes beyond that (a call that is assigned to, handlers named `object::event`) is taken as well:
the engine has the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from vpcshim.clients.scripting.edits import Edit, Misread, Refused, place
from vpcshim.clients.scripting.jstokens import Token, Tokens

_ASSIGNS = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", ">>>="))
# From those that bind least.
_LEVELS = ("||", "&&", "|", "^", "&", "== != === !==", "< > <= >= in instanceof", "<< >> >>>", "+ -", "* / %")
_BINARY = {operator: level for level, operators in enumerate(_LEVELS, 1) for operator in operators.split()}
_UNARY = frozenset(("!", "~", "+", "-", "++", "--", "typeof", "void", "delete"))
_EVALUATORS = frozenset(("eval", "Function", "execScript"))
_VALUES = frozenset(("this", "null", "true", "false"))


@dataclass(eq=False)
class Scope:
    """A function, or the script itself: the names that are declared in it, and the function around it."""

    outer: Scope | None = None
    names: set[str] = field(default_factory=set)

    def owner(self, name: str) -> Scope | None:
        """The scope that declares the name, as seen from here; None where the script does not."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope


@dataclass(eq=False)
class Node:
    """An expression.

    Attributes:
        kind: name, literal, array, object, function, group, member, index, call, new, unary, postfix, binary,
            conditional, assign or list.
        begin: Where it begins in the text.
        end: Where it ends.
        scope: Where it stands.
        text: A name, a member's name, a literal as it is written, or an operator.
        parts: The expressions that it is made of; of a call or a `new`, what is called comes first.
        at: Where the bracket of a call's arguments stands; -1 where there is none.
    """

    kind: str
    begin: int
    end: int
    scope: Scope
    text: str = ""
    parts: tuple[Node, ...] = ()
    at: int = -1

    @property
    def is_number(self) -> bool:
        """Whether it is a number as it is written."""
        return self.kind == "literal" and (self.text[0].isdigit() or self.text[0] == ".")

    def meant(self) -> Node:
        """What stands within the brackets that are around it."""
        return self.parts[0].meant() if self.kind == "group" else self


@dataclass(eq=False)
class Try:
    """A `try` that has a `catch`: where it begins, where `catch (e)` stands, and where the whole ends."""

    begin: int
    head: tuple[int, int]
    end: int


@dataclass
class _Around:
    """What is around a statement of a function: its labels, and how many loops and switches."""

    labels: list[str] = field(default_factory=list)
    loops: int = 0
    switches: int = 0


class Source:
    """What a text in JScript is made of.

    Args:
        text: The text.

    Attributes:
        nodes: All its expressions, the inner before the outer.
        semicolons: Where statements end that have none.
        tries: All its `try` with a `catch`.
        throws: Whether it throws exceptions of its own, or has a `finally`.
        own: The names that it declares, or assigns to, anywhere.
        given: Those of them that have a value without being assigned one: functions, parameters, the names of
            `catch` and of `for (x in o)`.
        functions: The names of its functions, and where they stand.
        dynamic: Whether names may mean what its text does not tell: it has `with`, or names `eval` or the like.

    Raises:
        Misread: There is an error of syntax.
        Refused: It is nested more deeply than can be read here, or the branches of its conditional compilation, all
            of which are read, do not fit together.
    """

    def __init__(self, text: str) -> None:
        self.nodes: list[Node] = []
        self.semicolons: list[int] = []
        self.tries: list[Try] = []
        self.throws = False
        self.own: set[str] = set()
        self.given: set[str] = set()
        self.dynamic = False
        self.functions: list[tuple[str, int]] = []
        self._tokens = Tokens(text)
        self._scope = Scope()
        self._around = _Around()
        self._token = self._tokens.next(0)
        self._end = 0
        try:
            while self._token.kind != "end":
                self._statement()
        except Misread as wrong:
            if not self._tokens.branches:
                raise
            unfit = f"the branches of @if are read one after the other here, and that is at {wrong}"
            raise Refused(*place(text, self._token.begin), unfit) from wrong
        except RecursionError:
            deep = "this is nested more deeply than can be read here"
            raise Refused(*place(text, self._token.begin), deep) from None

    @property
    def edits(self) -> list[Edit]:
        """What the engine has to be given instead of some tokens."""
        return self._tokens.edits

    # -- tokens --------------------------------------------------------------------------------------------------

    def _advance(self) -> Token:
        token = self._token
        self._end = token.end
        self._token = self._tokens.next(token.end)
        return token

    def _is(self, *texts: str) -> bool:
        return self._token.text in texts and self._token.kind in ("op", "keyword")

    def _took(self, text: str) -> bool:
        if not self._is(text):
            return False
        self._advance()
        return True

    def _wrong(self, number: int, more: str = "") -> NoReturn:
        raise self._tokens.wrong(number, self._token.begin, more)

    def _expect(self, text: str, number: int) -> Token:
        if not self._is(text):
            self._wrong(number)
        return self._advance()

    def _close(self, text: str, number: int, opened: int) -> Token:
        """The bracket that closes the one that was opened there."""
        if not self._is(text):
            self._wrong(number, self._tokens.opened(opened) if self._token.kind == "end" else "")
        return self._advance()

    def _listed(
        self, close: str, number: int, opened: int, item: Callable[[], object], *, behind_comma: int = 0
    ) -> None:
        """What stands between brackets, with commas between; an error where a last comma is one."""
        while not self._is(close):
            item()
            if self._is(close):
                break
            if not self._took(","):
                self._close(close, number, opened)
            if behind_comma and self._is(close):
                self._wrong(behind_comma)
        self._advance()

    def _name(self) -> str:
        if self._token.kind != "name":
            self._wrong(1010)
        return self._advance().text

    def _declare(self, name: str) -> None:
        self._scope.names.add(name)
        self.own.add(name)

    def _give(self, name: str) -> None:
        self._declare(name)
        self.given.add(name)

    def _semicolon(self) -> None:
        if self._took(";"):
            return
        if self._token.branch:
            return  # what stands there in the branch that is taken is not known
        if not (self._token.kind == "end" or self._is("}") or self._token.new_line):
            self._wrong(1004)
        self.semicolons.append(self._end)

    # -- statements ----------------------------------------------------------------------------------------------

    def _statement(self) -> None:
        token = self._token
        if token.kind == "op" and token.text in "{;":
            if not self._took(";"):
                self._block()
            return
        read = _STATEMENTS.get(token.text) if token.kind == "keyword" else None
        if read is not None:
            read(self)
            return
        node = self._expression()
        if node.kind == "name" and self._is(":"):
            self._label(node)
        else:
            self._semicolon()

    def _block(self) -> int:
        opened = self._expect("{", 1008)
        while not self._is("}"):
            if self._token.kind == "end":
                self._close("}", 1009, opened.begin)
            self._statement()
        return self._advance().end

    def _label(self, node: Node) -> None:
        if node.text in self._around.labels:
            raise self._tokens.wrong(1025, node.begin)
        self._advance()
        self._around.labels.append(node.text)
        self._statement()
        self._around.labels.pop()

    def _var(self) -> None:
        self._advance()
        self._variables()
        self._semicolon()

    def _variables(self, *, no_in: bool = False) -> list[str]:
        names = []
        while True:
            begin = self._token.begin
            name = self._name()
            self._declare(name)
            target = self._node("name", begin, name)
            if self._took("="):
                value = self._assignment(no_in=no_in)
                self._node("assign", begin, "=", target, value)
            names.append(name)
            if not self._took(","):
                return names

    def _head(self) -> None:
        """An expression in brackets."""
        opened = self._expect("(", 1005)
        self._expression()
        self._close(")", 1006, opened.begin)

    def _body(self) -> None:
        """What a loop does."""
        self._around.loops += 1
        self._statement()
        self._around.loops -= 1

    def _if(self) -> None:
        while self._took("if"):
            self._head()
            self._statement()
            if not self._took("else"):
                return
        self._statement()

    def _while(self) -> None:
        self._advance()
        self._head()
        self._body()

    def _do(self) -> None:
        self._advance()
        self._body()
        self._expect("while", 1024)
        self._head()
        if not self._took(";"):
            self.semicolons.append(self._end)

    def _for(self) -> None:
        self._advance()
        opened = self._expect("(", 1005)
        names: list[str] = []
        single = False
        if self._took("var"):
            names = self._variables(no_in=True)
            single = len(names) == 1
        elif not self._is(";"):
            node = self._expression(no_in=True).meant()
            names = [node.text] if node.kind == "name" else []
            single = node.kind in ("name", "member", "index", "call")
        if single and self._took("in"):
            self.own.update(names)
            self.given.update(names)
            self._expression()
        else:
            self._expect(";", 1004)
            if not self._is(";"):
                self._expression()
            self._expect(";", 1004)
            if not self._is(")"):
                self._expression()
        self._close(")", 1006, opened.begin)
        self._body()

    def _jump(self, number: int, count: int) -> None:
        at = self._advance().begin
        if self._token.kind == "name" and not self._token.new_line:
            if self._token.text not in self._around.labels:
                self._wrong(1026)
            self._advance()
        elif not count:
            raise self._tokens.wrong(number, at)
        self._semicolon()

    def _continue(self) -> None:
        self._jump(1020, self._around.loops)

    def _break(self) -> None:
        self._jump(1019, self._around.loops + self._around.switches)

    def _return(self) -> None:
        if self._scope.outer is None:
            self._wrong(1018)
        self._advance()
        if not (self._token.kind == "end" or self._is(";", "}") or self._token.new_line):
            self._expression()
        self._semicolon()

    def _throw(self) -> None:
        self._advance()
        self.throws = True
        if self._token.kind == "end" or self._is(";", "}") or self._token.new_line:
            self._wrong(1035)
        self._expression()
        self._semicolon()

    def _with(self) -> None:
        self._advance()
        self.dynamic = True
        self._head()
        self._statement()

    def _switch(self) -> None:
        self._advance()
        self._head()
        opened = self._expect("{", 1008)
        self._around.switches += 1
        default = False
        while not self._is("}"):
            if self._is("default"):
                if default:
                    self._wrong(1027)
                default = True
                self._advance()
            elif self._took("case"):
                self._expression()
            elif self._token.kind == "end":
                self._close("}", 1009, opened.begin)
            else:
                self._wrong(1002)
            self._expect(":", 1003)
            while self._token.kind != "end" and not self._is("case", "default", "}"):
                self._statement()
        self._around.switches -= 1
        self._advance()

    def _try(self) -> None:
        begin = self._advance().begin
        end = self._block()
        if self._is("catch"):
            at = self._advance().begin
            opened = self._expect("(", 1005)
            self._give(self._name())
            head = self._close(")", 1006, opened.begin).end
            end = self._block()
            self.tries.append(Try(begin, (at, head), end))
        elif not self._is("finally"):
            self._wrong(1033)
        if self._took("finally"):
            self.throws = True
            self._block()

    def _declaration(self) -> None:
        begin = self._token.begin
        function = self._function()
        if not function.text:
            raise self._tokens.wrong(1010, begin)

    def _debugger(self) -> None:
        word = self._advance()
        self.edits.append((word.begin, word.end, ""))
        self._semicolon()

    # -- expressions ---------------------------------------------------------------------------------------------

    def _node(self, kind: str, begin: int, text: str = "", *parts: Node, at: int = -1) -> Node:
        node = Node(kind, begin, self._end, self._scope, text, parts, at)
        self.nodes.append(node)
        return node

    def _assigned(self, node: Node) -> None:
        if node.meant().kind == "name":
            self.own.add(node.meant().text)

    def _expression(self, *, no_in: bool = False) -> Node:
        node = self._assignment(no_in=no_in)
        if not self._is(","):
            return node
        parts = [node]
        while self._took(","):
            parts.append(self._assignment(no_in=no_in))
        return self._node("list", node.begin, ",", *parts)

    def _assignment(self, *, no_in: bool = False) -> Node:
        node = self._binary(0, no_in)
        if self._took("?"):
            chosen = self._assignment()
            self._expect(":", 1003)
            node = self._node("conditional", node.begin, "?", node, chosen, self._assignment(no_in=no_in))
        elif self._token.kind == "op" and self._token.text in _ASSIGNS:
            operator = self._advance().text
            self._assigned(node)
            node = self._node("assign", node.begin, operator, node, self._assignment(no_in=no_in))
        return node

    def _binary(self, level: int, no_in: bool) -> Node:
        node = self._unary()
        while self._token.kind in ("op", "keyword") and not (no_in and self._token.text == "in"):
            own = _BINARY.get(self._token.text, 0)
            if own <= level:
                break
            operator = self._advance().text
            node = self._node("binary", node.begin, operator, node, self._binary(own, no_in))
        return node

    def _unary(self) -> Node:
        operators = []
        while self._token.text in _UNARY and self._token.kind in ("op", "keyword"):
            operators.append(self._advance())
        node = self._postfix()
        for operator in reversed(operators):
            if operator.text in ("++", "--"):
                self._assigned(node)
            node = self._node("unary", operator.begin, operator.text, node)
        return node

    def _postfix(self) -> Node:
        node = self._member(calls=True)
        if self._is("++", "--") and not self._token.new_line:
            self._assigned(node)
            node = self._node("postfix", node.begin, self._advance().text, node)
        return node

    def _member(self, *, calls: bool) -> Node:
        if self._is("new"):
            begin = self._advance().begin
            called = self._member(calls=False)
            at = self._token.begin if self._is("(") else -1
            values = self._arguments() if at >= 0 else ()
            node = self._node("new", begin, "", called, *values, at=at)
        else:
            node = self._primary()
        while self._token.kind == "op":
            if self._took("."):
                if self._token.kind not in ("name", "keyword"):
                    self._wrong(1010)
                name = self._advance().text
                node = self._node("member", node.begin, name, node)
            elif self._is("["):
                at = self._advance().begin
                index = self._expression()
                self._close("]", 1007, at)
                node = self._node("index", node.begin, "", node, index, at=at)
            elif calls and self._is("("):
                at = self._token.begin
                node = self._node("call", node.begin, "", node, *self._arguments(), at=at)
            else:
                break
        return node

    def _arguments(self) -> tuple[Node, ...]:
        opened = self._expect("(", 1005)
        values: list[Node] = []
        self._listed(")", 1006, opened.begin, lambda: values.append(self._assignment()), behind_comma=1002)
        return tuple(values)

    def _primary(self) -> Node:
        token = self._token
        if token.kind in ("number", "text") or (token.kind == "keyword" and token.text in _VALUES):
            self._advance()
            return self._node("literal", token.begin, token.text)
        if token.kind == "name":
            self._advance()
            self.dynamic = self.dynamic or token.text in _EVALUATORS
            return self._node("name", token.begin, token.text)
        if self._is("("):
            self._advance()
            inner = self._expression()
            self._close(")", 1006, token.begin)
            return self._node("group", token.begin, "", inner)
        if self._is("["):
            return self._array()
        if self._is("{"):
            return self._object()
        if self._is("function"):
            return self._function()
        if not self._is("/", "/="):
            self._wrong(1002)
        self._token = self._tokens.pattern(token)
        return self._node("literal", token.begin, self._advance().text)

    def _array(self) -> Node:
        opened = self._advance().begin
        values: list[Node] = []

        def item() -> None:
            if self._token.kind == "end":
                self._close("]", 1007, opened)
            if not self._is(","):
                values.append(self._assignment())

        self._listed("]", 1007, opened, item)
        return self._node("array", opened, "", *values)

    def _object(self) -> Node:
        opened = self._advance().begin
        values: list[Node] = []

        def item() -> None:
            if self._token.kind not in ("name", "keyword", "text", "number"):
                self._wrong(1028)
            self._advance()
            self._expect(":", 1003)
            values.append(self._assignment())

        self._listed("}", 1009, opened, item, behind_comma=1028)
        return self._node("object", opened, "", *values)

    def _function(self) -> Node:
        begin = self._advance().begin
        name = ""
        if self._token.kind == "name":
            at = self._token.begin
            name = self._name()
            self._give(name)
            while self._is("::"):
                name += self._advance().text + self._name()
            self.functions.append((name, at))
        around, self._around, self._scope = self._around, _Around(), Scope(self._scope)
        opened = self._expect("(", 1005)
        self._listed(")", 1006, opened.begin, lambda: self._give(self._name()), behind_comma=1010)
        self._block()
        assert self._scope.outer is not None
        self._around, self._scope = around, self._scope.outer
        return self._node("function", begin, name)


# What a statement begins with that is not an expression's.
_STATEMENTS = {
    "var": Source._var,
    "if": Source._if,
    "while": Source._while,
    "do": Source._do,
    "for": Source._for,
    "continue": Source._continue,
    "break": Source._break,
    "return": Source._return,
    "throw": Source._throw,
    "with": Source._with,
    "switch": Source._switch,
    "try": Source._try,
    "function": Source._declaration,
    "debugger": Source._debugger,
}
