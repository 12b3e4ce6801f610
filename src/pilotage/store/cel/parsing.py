"""From tokens to a syntax tree, with macros expanded.

A recursive descent over the grammar of the CEL language definition. Syntax errors carry the wording of the parser that
API servers use, as far as a descent can know it: what stood there and what could have stood there. Nesting is limited,
so that a hostile expression ends with a clear error.
"""

from __future__ import annotations

from pilotage.store.cel.lexing import Token, tokens, unquoted
from pilotage.store.cel.macros import MacroError, expand
from pilotage.store.cel.nodes import (
    Call,
    Entry,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Message,
    Node,
    Select,
)
from pilotage.store.cel.problems import CompileError, Issue
from pilotage.store.cel.values import UInt

__all__ = ["LONGEST_EXPRESSION", "parse"]

LONGEST_EXPRESSION = 100_000
"""Code points; longer expressions are refused, as an API server does."""

_DEEPEST = 120
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_OPERAND = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
_RELATIONS = frozenset(["<", "<=", ">=", ">", "==", "!=", "in"])
_STARTS = frozenset([*"[{(.-!", "true", "false", "null", "float", "int", "uint", "string", "bytes", "name"])
_SUMS = frozenset("+-")
_PRODUCTS = frozenset("*/%")
_INT_MAX = 2**63 - 1
_INT_MIN = -(2**63)
_UINT_MAX = 2**64 - 1


class _SyntaxError(Exception):
    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.issue = Issue(offset, message)


def parse(source: str) -> Node:
    """The syntax tree of an expression. Raises CompileError."""
    if len(source) > LONGEST_EXPRESSION:
        message = f"expression code point size exceeds limit: size: {len(source)}, limit {LONGEST_EXPRESSION}"
        raise CompileError(source, [Issue(-1, message)])
    found, issues = tokens(source)
    parser = _Parser(found, issues)
    try:
        node = parser.whole()
    except _SyntaxError as error:
        raise CompileError(source, [*issues, error.issue]) from None
    except RecursionError:
        raise CompileError(source, [Issue(-1, "expression recursion limit exceeded: 250")]) from None
    if issues:
        raise CompileError(source, issues)
    return node


class _Parser:
    def __init__(self, found: list[Token], issues: list[Issue]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.issues = issues
        """Problems that do not stop the parser; a syntax error is raised."""

    def peek(self) -> str:
        return self.tokens[self.at].kind

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def taken(self, kind: str) -> bool:
        if self.tokens[self.at].kind == kind:
            self.at += 1
            return True
        return False

    def expect(self, kind: str, expecting: str = "") -> Token:
        token = self.tokens[self.at]
        if token.kind != kind:
            if token.kind == "end" and not expecting:
                raise _SyntaxError(token.offset, f"Syntax error: missing '{kind}' at '<EOF>'")
            raise self.mismatch(expecting or f"'{kind}'")
        self.at += 1
        return token

    def mismatch(self, expecting: str, verb: str = "mismatched") -> _SyntaxError:
        token = self.tokens[self.at]
        return _SyntaxError(token.offset, f"Syntax error: {verb} input '{token.text}' expecting {expecting}")

    def whole(self) -> Node:
        node = self.expression()
        if self.peek() != "end":
            last = self.tokens[self.at + 1].kind == "end"
            raise self.mismatch("<EOF>", "extraneous" if last else "mismatched")
        return node

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _SyntaxError(-1, "expression recursion limit exceeded: 250")
        node = self.any_of()
        if self.peek() == "?":
            offset = self.take().offset
            yes = self.any_of()
            self.expect(":", "':'")
            node = Call(offset, "_?_:_", [node, yes, self.expression()])
        self.depth -= 1
        return node

    def any_of(self) -> Node:
        first = self.all_of()
        if self.peek() != "||":
            return first
        offset, terms = self.tokens[self.at].offset, [first]
        while self.taken("||"):
            terms.append(self.all_of())
        return Call(offset, "_||_", terms)

    def all_of(self) -> Node:
        first = self.relation()
        if self.peek() != "&&":
            return first
        offset, terms = self.tokens[self.at].offset, [first]
        while self.taken("&&"):
            terms.append(self.relation())
        return Call(offset, "_&&_", terms)

    def relation(self) -> Node:
        node = self.sum()
        while self.peek() in _RELATIONS:
            token = self.take()
            function = "@in" if token.kind == "in" else f"_{token.kind}_"
            node = Call(token.offset, function, [node, self.sum()])
        return node

    def sum(self) -> Node:
        node = self.product()
        while self.peek() in _SUMS:
            token = self.take()
            node = Call(token.offset, f"_{token.kind}_", [node, self.product()])
        return node

    def product(self) -> Node:
        node = self.unary()
        while self.peek() in _PRODUCTS:
            token = self.take()
            node = Call(token.offset, f"_{token.kind}_", [node, self.unary()])
        return node

    def unary(self) -> Node:
        sign = self.peek()
        if sign not in {"!", "-"}:
            return self.member()
        if sign == "-" and self.tokens[self.at + 1].kind in {"int", "float"}:
            return self.member(self.literal())  # the minus belongs to the literal
        offset = self.tokens[self.at].offset
        count = 0
        while self.taken(sign):
            count += 1
        operand = self.member()
        return operand if count % 2 == 0 else Call(offset, f"{sign}_", [operand])

    def member(self, first: Node | None = None) -> Node:
        node = first if first is not None else self.primary()
        while True:
            kind = self.peek()
            if kind == ".":
                node = self.selection(node)
            elif kind == "[":
                node = self.index(node)
            else:
                return node

    def selection(self, operand: Node) -> Node:
        dot = self.take()
        optional = self.taken("?")
        token = self.tokens[self.at]
        if token.kind == "escaped":
            raise _SyntaxError(token.offset, "unsupported syntax: '`'")
        if token.kind != "name":
            if token.kind != "end":
                raise _SyntaxError(
                    token.offset,
                    f"Syntax error: no viable alternative at input '.{token.text}'"
                    if token.kind not in {"true", "false", "null"}
                    else f"Syntax error: mismatched input '{token.text}' expecting IDENTIFIER",
                )
            raise _SyntaxError(token.offset, "Syntax error: no viable alternative at input '.'")
        self.at += 1
        if optional:
            return Call(dot.offset, "_?._", [operand, Literal(token.offset, token.text)])
        if self.peek() != "(":
            return Select(dot.offset, operand, token.text)
        opened = self.take()
        return self.called(opened.offset, token.text, operand, self.arguments())

    def index(self, operand: Node) -> Node:
        opened = self.take()
        function = "_[?_]" if self.taken("?") else "_[_]"
        index = self.expression()
        self.expect("]")
        return Call(opened.offset, function, [operand, index])

    def arguments(self) -> list[Node]:
        found: list[Node] = []
        if self.taken(")"):
            return found
        while True:
            found.append(self.expression())
            if self.taken(")"):
                return found
            if self.peek() != ",":
                self.expect(")")
            self.at += 1

    def called(self, offset: int, function: str, target: Node | None, args: list[Node]) -> Node:
        try:
            expanded = expand(offset, function, target, args)
        except MacroError as error:
            self.issues.append(error.issue)
            return Literal(offset, None)
        return expanded if expanded is not None else Call(offset, function, args, target)

    def primary(self) -> Node:
        token = self.tokens[self.at]
        kind = token.kind
        if kind in {"name", "."}:
            return self.named()
        if kind in {"int", "uint", "float", "string", "bytes", "true", "false", "null"}:
            return self.literal()
        if kind == "(":
            self.at += 1
            node = self.expression()
            self.expect(")")
            return node
        if kind == "[":
            self.at += 1
            return self.list_literal(token.offset)
        if kind == "{":
            self.at += 1
            return self.map_literal(token.offset)
        if kind == "end" or self.tokens[self.at + 1].kind not in _STARTS:
            raise self.mismatch(_OPERAND)
        # Without this token the expression goes on: it is one too many.
        self.issues.append(self.mismatch(_OPERAND, "extraneous").issue)
        self.at += 1
        return self.unary()

    def named(self) -> Node:
        leading = "." if self.taken(".") else ""
        token = self.expect("name", "IDENTIFIER")
        if token.text in _RESERVED and self.peek() != "{":
            self.issues.append(Issue(token.offset, f"reserved identifier: {token.text}"))
        if self.peek() == "(":
            opened = self.take()
            return self.called(opened.offset, leading + token.text, None, self.arguments())
        message = self.message_name(token.text)
        if message:
            opened = self.expect("{")
            return self.message(opened.offset, leading + message)
        return Ident(token.offset, leading + token.text)

    def message_name(self, first: str) -> str:
        """`a.b.C` when a `{` follows it, else nothing (and nothing is consumed)."""
        ahead = self.at
        name = first
        while self.tokens[ahead].kind == "." and self.tokens[ahead + 1].kind == "name":
            name += "." + self.tokens[ahead + 1].text
            ahead += 2
        if self.tokens[ahead].kind != "{":
            return ""
        self.at = ahead
        return name

    def message(self, offset: int, name: str) -> Node:
        fields: list[tuple[int, str, Node]] = []
        while not self.taken("}"):
            self.taken("?")
            field = self.expect("name", "IDENTIFIER")
            colon = self.expect(":")
            fields.append((colon.offset, field.text, self.expression()))
            if not self.taken(","):
                self.expect("}")
                break
        return Message(offset, name, fields)

    def list_literal(self, offset: int) -> Node:
        elements: list[Node] = []
        optional: set[int] = set()
        while not self.taken("]"):
            if self.taken("?"):
                optional.add(len(elements))
            elements.append(self.expression())
            if not self.taken(","):
                self.expect("]", "{']', ','}")
                break
        return ListLiteral(offset, elements, frozenset(optional))

    def map_literal(self, offset: int) -> Node:
        entries: list[Entry] = []
        while not self.taken("}"):
            optional = self.taken("?")
            key = self.expression()
            colon = self.expect(":")
            entries.append(Entry(colon.offset, key, self.expression(), optional=optional))
            if not self.taken(","):
                self.expect("}", "{'}', ','}")
                break
        return MapLiteral(offset, entries)

    def literal(self) -> Node:
        token = self.take()
        offset = token.offset
        sign = ""
        if token.kind == "-":
            sign, token = "-", self.take()
        if token.kind == "int":
            return Literal(offset, self.integer(offset, sign, token.text))
        if token.kind == "uint":
            text = token.text[:-1]
            number = int(text, 16 if text.startswith("0x") else 10)
            if number > _UINT_MAX:
                self.issues.append(Issue(offset, "invalid uint literal"))
            return Literal(offset, UInt(number & _UINT_MAX))
        if token.kind == "float":
            number_ = float(sign + token.text)
            if number_ in {float("inf"), float("-inf")}:
                self.issues.append(Issue(offset, "invalid double literal"))
            return Literal(offset, number_)
        if token.kind in {"string", "bytes"}:
            as_bytes = token.kind == "bytes"
            try:
                return Literal(
                    offset, unquoted(token.text[1:] if as_bytes else token.text, as_bytes=as_bytes)
                )
            except ValueError as error:
                self.issues.append(Issue(offset, str(error)))
                return Literal(offset, "")
        return Literal(offset, {"true": True, "false": False, "null": None}[token.kind])

    def integer(self, offset: int, sign: str, text: str) -> int:
        number = int(text, 16 if text.startswith("0x") else 10)
        number = -number if sign else number
        if not _INT_MIN <= number <= _INT_MAX:
            self.issues.append(Issue(offset, "invalid int literal"))
            return 0
        return number
