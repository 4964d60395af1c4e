"""The syntax of Go's text templates between `${` and `}`, as far as values in fleet.yaml use it: pipelines, calls,
fields, literals, and `if`.

What would make a template a program (loops, variables, templates in templates) is refused by its name, so that the
work that a template makes is bounded by its length.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from controller.render import scalars

OPEN = "${"

NESTING_MAX = 50
"""Parentheses and `if`s in one another, and stages of a pipeline."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)
    |(?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?(?![\w.]))
    |(?P<path>(?:\.[^\W\d]\w*)+)
    |(?P<word>[^\W\d]\w*)
    |(?P<variable>\$\w*)
    |(?P<mark>:=|[|()=,.])
    |(?P<close>\})""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"/\*.*?\*/[ \t\r\n]*(?P<trim>-?)\}", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-7][0-9a-fA-F])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.|\Z))", re.DOTALL
)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SPACE = " \t\r\n"
_CONSTANTS: dict[str, "Value"] = {"true": True, "false": False, "nil": None}
_REFUSED = frozenset(("range", "with", "define", "template", "block", "break", "continue"))

Value: TypeAlias = str | int | float | bool | None


class TemplateError(ValueError):
    """What is wrong with a template, and where: characters before it."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


class Literal(msgspec.Struct, frozen=True):
    """A constant."""

    value: Value
    at: int


class Path(msgspec.Struct, frozen=True):
    """`.ClusterLabels.env`."""

    names: tuple[str, ...]
    at: int


class Call(msgspec.Struct, frozen=True):
    """A function and its arguments; of a pipeline, the value so far is the last one."""

    function: str
    arguments: tuple["Expression", ...]
    at: int


Expression: TypeAlias = Literal | Path | Call


class Text(msgspec.Struct, frozen=True):
    """What stands outside of `${ }`."""

    text: str


class Branch(msgspec.Struct, frozen=True):
    """`if` or `else if`; the condition of an `else` is true."""

    condition: Expression
    body: tuple["Node", ...]


class If(msgspec.Struct, frozen=True):
    """The first branch whose condition holds."""

    branches: tuple[Branch, ...]


Node: TypeAlias = Text | Literal | Path | Call | If


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    at: int


class _Action(msgspec.Struct, frozen=True):
    """What stands between `${` and `}`."""

    tokens: tuple[_Token, ...]
    at: int


def parse(template: str) -> tuple[Node, ...]:
    """The template's nodes; raise TemplateError for what is wrong or not supported."""
    return _Parser(template).parse()


def _pieces(template: str) -> Iterator[str | _Action]:
    """Texts and actions in turn, with what the trim markers `${-` and `-}` take away taken away."""
    at, trimming = 0, False
    while (start := template.find(OPEN, at)) >= 0:
        text, inside = template[at:start], start + len(OPEN)
        trims_before = template[inside : inside + 1] == "-" and template[inside + 1 : inside + 2] in tuple(_SPACE)
        inside += trims_before
        text = text.lstrip(_SPACE) if trimming else text
        yield text.rstrip(_SPACE) if trims_before else text
        comment = _COMMENT.match(template, inside + trims_before)
        if comment is not None:
            at, trimming = comment.end(), bool(comment["trim"])
            continue
        tokens, at, trimming = _tokens(template, inside, start)
        yield _Action(tokens, start)
    yield template[at:].lstrip(_SPACE) if trimming else template[at:]


def _tokens(template: str, at: int, start: int) -> tuple[tuple[_Token, ...], int, bool]:
    """The tokens of an action, where it ends, and whether the space behind it goes."""
    found: list[_Token] = []
    while at < len(template):
        if template.startswith("-}", at) and template[at - 1] in _SPACE:
            return tuple(found), at + 2, True
        match = _TOKEN.match(template, at)
        if match is None:
            raise TemplateError(f"{template[at]!r} has no meaning in a template", at)
        kind = str(match.lastgroup)
        if kind == "close":
            return tuple(found), match.end(), False
        found.append(_Token(kind, match[0], at))
        at = match.end()
    raise TemplateError(f"{OPEN} without its }}", start)


class _Parser:
    """Reads one template."""

    def __init__(self, template: str) -> None:
        self._pieces = _pieces(template)
        self._tokens: list[_Token] = []
        self._at = 0
        """Of the action being read."""
        self._nesting = 0

    def parse(self) -> tuple[Node, ...]:
        nodes, end = self._nodes()
        if end is not None:
            raise TemplateError(f"{end} without its if", self._at)
        return nodes

    def _nodes(self) -> tuple[tuple[Node, ...], str | None]:
        """Nodes up to `else` or `end`, which is returned, its action open; or to the template's end."""
        found: list[Node] = []
        for piece in self._pieces:
            if isinstance(piece, str):
                if piece:
                    found.append(Text(piece))
                continue
            self._open(piece)
            word = self._word()
            if word in ("else", "end"):
                return tuple(found), word
            if word == "if":
                self._enter(piece.at)
                found.append(self._if(piece.at))
                self._nesting -= 1
            elif word in _REFUSED:
                raise TemplateError(f"{word} is not supported", piece.at)
            else:
                found.append(self._closed(self._pipeline()))
        return tuple(found), None

    def _open(self, action: _Action) -> None:
        self._tokens = list(reversed(action.tokens))
        self._at = action.at
        self._skip()

    def _if(self, start: int) -> If:
        """`if` is the next token; read through its `end`."""
        branches: list[Branch] = []
        self._take()
        condition: Expression | None = self._closed(self._pipeline())
        while condition is not None:
            body, end = self._nodes()
            branches.append(Branch(condition, body))
            condition = self._next_condition(start, end, has_else=isinstance(condition, Literal) and condition.at < 0)
        return If(tuple(branches))

    def _next_condition(self, start: int, end: str | None, *, has_else: bool) -> Expression | None:
        if end is None:
            raise TemplateError("if without its end", start)
        self._take()
        if end == "end":
            self._nothing_more()
            return None
        if has_else:
            raise TemplateError("else after else", self._at)
        if self._word() == "if":
            self._take()
            return self._closed(self._pipeline())
        self._nothing_more()
        return Literal(True, -1)

    def _pipeline(self) -> Expression:
        found = self._command(None)
        around = self._nesting
        while self._next_is("|"):
            self._enter(self._take().at)
            found = self._command(found)
        self._nesting = around
        return found

    def _command(self, piped: Expression | None) -> Expression:
        """A value, or a function and its arguments; what is piped in becomes the last one."""
        first = self._peek()
        operands: list[Expression] = []
        while (token := self._peek()) is not None and token.text not in ("|", ")"):
            operands.append(self._operand())
        if first is None or not operands:
            raise TemplateError("a value is missing", first.at if first is not None else self._at)
        if first.kind == "word" and isinstance(operands[0], Call):
            arguments = (*operands[1:], piped) if piped is not None else tuple(operands[1:])
            return Call(first.text, arguments, first.at)
        if len(operands) > 1 or piped is not None:
            raise TemplateError(f"{first.text[:40]} is no function", first.at)
        return operands[0]

    def _operand(self) -> Expression:
        token = self._take()
        if token.kind == "string":
            return Literal(_string(token), token.at)
        if token.kind == "number":
            return Literal(_number(token), token.at)
        if token.kind == "path":
            return Path(tuple(token.text.split(".")[1:]), token.at)
        if token.kind == "word":
            if token.text in _CONSTANTS:
                return Literal(_CONSTANTS[token.text], token.at)
            return Call(token.text, (), token.at)
        if token.text == "(":
            return self._parenthesis(token)
        if token.kind == "variable" or token.text in (":=", "="):
            raise TemplateError("variables of templates are not supported", token.at)
        if token.text == ".":
            raise TemplateError("`.`, all data at once, is not supported (name a field)", token.at)
        raise TemplateError(f"{token.text!r} has no meaning here", token.at)

    def _parenthesis(self, opening: _Token) -> Expression:
        self._enter(opening.at)
        found = self._pipeline()
        if not self._next_is(")"):
            raise TemplateError("( without its )", opening.at)
        self._take(skip=False)
        after = self._tokens[-1] if self._tokens else None
        if after is not None and after.kind == "path":
            raise TemplateError("a field of what stands in parentheses is not supported", after.at)
        self._skip()
        self._nesting -= 1
        return found

    def _enter(self, at: int) -> None:
        self._nesting += 1
        if self._nesting > NESTING_MAX:
            raise TemplateError(f"more than {NESTING_MAX} levels, or stages of a pipeline", at)

    def _closed(self, found: Expression) -> Expression:
        self._nothing_more()
        return found

    def _nothing_more(self) -> None:
        token = self._peek()
        if token is not None:
            raise TemplateError(f"{token.text[:40]!r} has no meaning here", token.at)

    def _word(self) -> str | None:
        token = self._peek()
        return token.text if token is not None and token.kind == "word" else None

    def _next_is(self, text: str) -> bool:
        token = self._peek()
        return token is not None and token.text == text

    def _peek(self) -> _Token | None:
        return self._tokens[-1] if self._tokens else None

    def _take(self, *, skip: bool = True) -> _Token:
        token = self._tokens.pop()
        if skip:
            self._skip()
        return token

    def _skip(self) -> None:
        while self._tokens and self._tokens[-1].kind == "space":
            self._tokens.pop()


def _number(token: _Token) -> int | float:
    try:
        found = scalars.as_json(float(token.text) if re.search(r"[.eE]", token.text) else int(token.text[:25]))
    except (ValueError, OverflowError) as error:
        raise TemplateError(f"{token.text[:40]} is no number that a template can hold", token.at) from error
    if len(token.text) > 25 or not scalars.INT64_MIN <= found <= scalars.INT64_MAX:
        raise TemplateError(f"{token.text[:40]} is no number that a template can hold", token.at)
    return found


def _string(token: _Token) -> str:
    if token.text.startswith("`"):
        return token.text[1:-1]
    return _ESCAPE.sub(lambda found: _unescaped(found, token), token.text[1:-1])


def _unescaped(found: re.Match[str], token: _Token) -> str:
    plain, *codes, wrong = found.groups()
    if plain is not None:
        return _ESCAPED.get(plain, plain)
    code = int(next((code for code in codes if code is not None), "D800"), 16)
    if wrong is not None or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise TemplateError(f"{found[0]!r} is no escape that is read", token.at)
    return chr(code)
