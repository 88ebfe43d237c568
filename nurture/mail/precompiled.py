"""Bodies that are already quoted-printable before the first lead is known.

What is the same for every lead of a step (text, markup, company, sender) is worked out and encoded once; what is a
plain word of the lead is looked up; anything more is left to the sandbox, snippet by snippet, and encoded when it is
filled in. Every piece ends in a soft line break, which may stand anywhere, so no piece need know its neighbours.
A body made this way decodes to what the sandbox alone would have printed; `tests/mail` holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

from jinja2 import Template as Filled
from jinja2 import TemplateError, Undefined, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import escape

from nurture.mail.mime import LONGEST_LINE, cut, encoded_lines
from nurture.model import sandbox
from nurture.model.sandbox import CopyError, Sandbox

SOFT: Final = "=\r\n"
KEPT: Final = 20_000
"""Encoded values that are remembered; first names and companies come back."""

_SAFE: Final = re.compile(r"[!-<>-~](?:[ -<>-~]{0,70}[!-<>-~])?\Z")
_NAMES: Final = frozenset(
    {"click_url", "pixel_url", "honeypot_url", "unsubscribe_url", "preferences_url", "reason", "subject", "preheader"}
)
_OWN: Final = frozenset({"click_url", "pixel_url", "honeypot_url", "unsubscribe_url", "preferences_url"})
_OWN_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9_./:-]{1,66}\Z")
Words = Mapping[str, Any]
Encode = Callable[[str], str]


def encode(text: str) -> str:
    """A piece of text as quoted-printable that begins at column 0 and leaves the next piece at column 0."""
    *lines, last = encoded_lines(text.replace("\r\n", "\n").replace("\r", "\n"))
    # The piece's last line needs room for its own soft break.
    lines += cut(last, LONGEST_LINE - 1)
    done = "\r\n".join(_undotted(line.decode("ascii")) for line in lines)
    return done + SOFT if last else done


def _undotted(line: str) -> str:
    """A dot at the beginning of a line would have to be doubled on the wire; written as `=2E` it need not be."""
    front = ""
    while line.startswith("."):
        front += "=2E" + SOFT
        line = line[1:]
    return front + line


def _encode_value(text: str) -> str:
    if _SAFE.match(text) and text[0] != ".":
        return text + SOFT
    return encode(text) if text else ""


class Memory(dict[str, str]):
    """Encoded values by value; forgets everything when full."""

    def __init__(self, make: Encode) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: str) -> str:
        made = self._make(value)
        if len(self) >= KEPT:
            self.clear()
        if len(value) < 200:
            self[value] = made
        return made


_HTML = Memory(lambda value: _encode_value(str(escape(value))))
_TEXT = Memory(_encode_value)
_PLAIN = Memory(str)


class Word(NamedTuple):
    """`{{ lead.name }}`, with what stands in for it: None, no default; `empty` counts as unknown too (`true`)."""

    name: str
    default: str | None = None
    empty: bool = False

    def text(self, lead: Words) -> str:
        value = lead.get(self.name)
        if type(value) is str and value:
            return value
        if value is None or value == "" or (self.empty and not value):
            if self.default is None:
                raise CopyError(f"`{self.name}` is not known and has no default", code="undefined-variable")
            return self.default
        return str(sandbox.plain(value))


class Slot(NamedTuple):
    """A value of the message (`unsubscribe_url`, `reason`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """`{% if %}` whose branches are sheets; `test` is a lead's word, or left to the sandbox."""

    test: Word | Slot | Filled
    then: Sheet
    otherwise: Sheet


@dataclass(frozen=True, slots=True)
class Snippet:
    """Anything else: filled in by the sandbox, encoded afterwards. Its output is already escaped."""

    made: Filled


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text, slots and words in a row. In `parts` every second place is to be filled in, with what `pick` takes out of
    the values, in that order."""

    parts: tuple[str, ...]
    words: tuple[tuple[str, str, Word], ...] = ()
    """Each once, with its place among the values and its name. A place is text: a tuple would be hashed anew for every
    message."""
    pick: Callable[[Mapping[str, str]], Any] | None = None
    """None: nothing is to be filled in."""
    asked: frozenset[str] = frozenset()
    """The message's own values among them."""

    @classmethod
    def of(cls, parts: Sequence[str | Word | Slot]) -> Stretch:
        made, text, keys = [], "", []
        words = {f"lead.{part!r}": part for part in parts if isinstance(part, Word)}
        for part in parts:
            if isinstance(part, str):
                text += part
            else:
                made += [text, ""]
                keys.append(part.name if isinstance(part, Slot) else f"lead.{part!r}")
                text = ""
        # `itemgetter` gives a tuple only for two keys and more.
        pick = itemgetter(*keys) if len(keys) > 1 else (lambda values: (values[keys[0]],)) if keys else None
        named = tuple((place, word.name, word) for place, word in words.items())
        return cls((*made, text), named, pick, frozenset(part.name for part in parts if isinstance(part, Slot)))


Piece = str | Word | Slot | Choice | Snippet
Context = Callable[[], dict[str, Any]]


class Slots(NamedTuple):
    """The message's own values, plain (for tests) and encoded for one sheet, whose words join them as they come."""

    plain: Mapping[str, str]
    encoded: dict[str, str]


def own_addresses(values: Mapping[str, str], *, short: bool = False) -> dict[str, str]:
    """The message's addresses with their tokens, encoded: the same in text and markup. They come once only and are
    not remembered; one that would need more than a soft break is left to `Sheet.slots`. `short`: none of them does."""
    if short:
        return {name: value + SOFT for name in _OWN if (value := values[name])}
    fit = _OWN_ADDRESS.match
    return {name: value + SOFT for name in _OWN if (value := values[name]) and fit(value)}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A body in stretches. `escaped` and `ready` encode a value that is not, or is already, markup."""

    pieces: tuple[Stretch | Choice | Snippet, ...]
    escaped: Memory
    ready: Memory
    asked: frozenset[str]
    """Values of the message that some stretch prints."""

    def constant(self) -> str | None:
        """The whole text, where it is the same for every lead; else None."""
        fixed = [p.parts[0] for p in self.pieces if isinstance(p, Stretch) and p.pick is None]
        return "".join(fixed) if len(fixed) == len(self.pieces) else None

    def slots(self, values: Mapping[str, str], own: Mapping[str, str]) -> Slots:
        """Encode the message's own values that are printed, as far as `own_addresses` has not."""
        encoded = dict(own)
        for name in self.asked:
            if name not in own:
                encoded[name] = self.escaped[values[name]]
        return Slots(values, encoded)

    def fill(self, lead: Words, slots: Slots, context: Context) -> str:
        """The whole text. `context` makes the sandbox's own context, where a snippet needs it.

        Raises CopyError where the lead lacks a word without a default.
        """
        out: list[str] = []
        self.put(out, lead, slots, context)
        return "".join(out)

    def put(self, out: list[str], lead: Words, slots: Slots, context: Context) -> None:
        """Like `fill`, onto the end of `out`."""
        escaped, values, known = self.escaped, slots.encoded, lead.get
        for piece in self.pieces:
            if isinstance(piece, Stretch):
                if piece.pick is None:
                    out += piece.parts
                    continue
                for place, name, word in piece.words:
                    value = known(name)
                    values[place] = escaped[value if type(value) is str and value else word.text(lead)]
                parts = list(piece.parts)
                parts[1::2] = piece.pick(values)
                out += parts
            elif isinstance(piece, Choice):
                branch = piece.then if _holds(piece.test, lead, slots.plain, context) else piece.otherwise
                branch.put(out, lead, slots, context)
            else:
                out.append(self.ready[_render(piece.made, context())])


def _holds(test: Word | Slot | Filled, lead: Words, values: Mapping[str, str], context: Context) -> bool:
    if isinstance(test, Word):
        return bool(lead.get(test.name))
    if isinstance(test, Slot):
        return bool(values[test.name])
    return _render(test, context()) == "1"


def _render(made: Filled, context: Mapping[str, Any]) -> str:
    return sandbox.render(made, context)


def precompile(source: str, constants: Mapping[str, Any], *, html: bool, encoded: bool = True) -> Sheet:
    """Jinja source (already checked by `compile_copy`) -> a sheet. `constants` are names that are the same for every
    lead; `encoded=False` makes plain text, for subjects. Raises CopyError where the source does not read."""
    environment = sandbox.sandbox(html=html)
    tree = _Fold(environment, constants).visit(sandbox.parse(source.rstrip("\n") if encoded else source))
    escaped, ready = (_HTML if html else _TEXT, _TEXT) if encoded else (_PLAIN, _PLAIN)
    return _Cutter(environment, escaped, ready, encode if encoded else str).sheet(tree.body)


class _Fold(NodeTransformer):
    """Works out what does not depend on the lead, with the sandbox's own look-ups."""

    def __init__(self, environment: Sandbox, constants: Mapping[str, Any]) -> None:
        self.environment = environment
        self.constants = {name: sandbox.plain(value) for name, value in constants.items()}

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        known = node.ctx == "load" and node.name in self.constants
        return nodes.Const(self.constants[node.name], lineno=node.lineno) if known else node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        # A loop's own variables would have to be followed; the sandbox does that at run time.
        return node

    def visit_If(self, node: nodes.If) -> nodes.Node | list[nodes.Node]:
        if node.elif_:
            # A branch that is decided becomes its body, which cannot stand where `elif` has to.
            first, *rest = node.elif_
            node.else_, node.elif_ = [nodes.If(first.test, first.body, rest, node.else_, lineno=first.lineno)], []
        folded = self.generic_visit(node)
        assert isinstance(folded, nodes.If)
        if not isinstance(folded.test, nodes.Const):
            return folded
        return list(folded.body if folded.test.value else folded.else_)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        return self._worked_out(node)

    visit_Getitem = visit_Compare = visit_Not = visit_And = visit_Or = visit_CondExpr = visit_Concat = visit_Getattr

    def _worked_out(self, node: nodes.Node) -> nodes.Node:
        folded = self.generic_visit(node)
        if not all(isinstance(child, (nodes.Const, nodes.Operand)) for child in folded.iter_child_nodes()):
            return folded
        assert isinstance(folded, nodes.Expr)
        try:
            value = folded.as_const(nodes.EvalContext(self.environment))
        except (nodes.Impossible, TemplateError, TypeError, ValueError, LookupError):
            return folded
        return folded if isinstance(value, Undefined) else nodes.Const(value, lineno=folded.lineno)


class _Cutter:
    """Cuts a folded tree into pieces; neighbours that are constant become one."""

    def __init__(self, environment: Sandbox, escaped: Memory, ready: Memory, encode_text: Encode) -> None:
        self.environment, self.escaped, self.ready, self.encode_text = environment, escaped, ready, encode_text

    def sheet(self, body: Iterable[nodes.Node]) -> Sheet:
        made: list[Stretch | Choice | Snippet] = []
        parts: list[str | Word | Slot] = []
        for text, part in self._joined(body):
            if text:
                parts.append(self.encode_text(text))
            if isinstance(part, Word | Slot):
                parts.append(part)
                continue
            if parts:
                made.append(Stretch.of(parts))
                parts = []
            if part is not None:
                made.append(part)
        asked = {part for piece in made if isinstance(piece, Stretch) for part in piece.asked}
        for piece in made:
            if isinstance(piece, Choice):
                asked |= piece.then.asked | piece.otherwise.asked
        return Sheet(tuple(made), self.escaped, self.ready, frozenset(asked))

    def _joined(self, body: Iterable[nodes.Node]) -> Iterable[tuple[str, Word | Slot | Choice | Snippet | None]]:
        """Each thing to fill in, with all the text before it; last what text is left, before None."""
        text = ""
        for part in self._parts(body):
            if isinstance(part, str):
                text += part
            else:
                yield text, part
                text = ""
        yield text, None

    def _parts(self, body: Iterable[nodes.Node]) -> Iterable[Piece]:
        for node in body:
            if isinstance(node, nodes.Output):
                for child in node.nodes:
                    yield self._output(child)
            elif isinstance(node, nodes.If):
                yield self._choice(node)
            else:
                yield Snippet(self._mini([node]))

    def _output(self, node: nodes.Expr) -> Piece:
        if isinstance(node, nodes.TemplateData):
            return node.data
        if isinstance(node, nodes.Const):
            return str(escape(node.value)) if self.environment.autoescape else str(node.value)
        found = _word(node) or _slot(node)
        return found or Snippet(self._mini([nodes.Output([node])]))

    def _choice(self, node: nodes.If) -> Choice:
        otherwise: Sequence[nodes.Node] = node.else_
        if node.elif_:
            first, *rest = node.elif_
            otherwise = [nodes.If(first.test, first.body, rest, node.else_)]
        test: Word | Slot | Filled | None = _word(node.test) or _slot(node.test)
        if test is None or (isinstance(test, Word) and test.default is not None):
            one = nodes.Output([nodes.TemplateData("1")])
            test = self._mini([nodes.If(node.test, [one], [], [])])
        return Choice(test, self.sheet(node.body), self.sheet(otherwise))

    def _mini(self, body: list[nodes.Node]) -> Filled:
        """A template of its own for a few nodes."""
        tree = nodes.Template(body, lineno=1)
        tree.set_environment(self.environment)
        code = self.environment.compile(tree)
        return Filled.from_code(self.environment, code, self.environment.make_globals(None))


def _word(node: nodes.Node) -> Word | None:
    """`lead.name`, `lead.name | default('x')`, `lead.name | default('x', true)`."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "lead":
        return Word(node.attr)
    if not isinstance(node, nodes.Filter) or node.name not in ("default", "d") or node.kwargs or node.node is None:
        return None
    inner = _word(node.node)
    given = [arg.value for arg in node.args if isinstance(arg, nodes.Const)]
    if inner is None or inner.default is not None or len(given) != len(node.args) or not 1 <= len(given) <= 2:
        return None
    return Word(inner.name, str(given[0]), bool(given[1]) if len(given) == 2 else False)


def _slot(node: nodes.Node) -> Slot | None:
    return Slot(node.name) if isinstance(node, nodes.Name) and node.name in _NAMES else None
