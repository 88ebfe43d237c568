"""The only place where copy becomes code: a Jinja that can print, choose and repeat, and nothing else.

Three fences, each enough alone: the syntax tree may hold only the nodes in `ALLOWED`; the environment looks up
nothing but the keys of plain mappings (no attribute, so no method, is ever reachable); the context holds only
text, numbers, dates and lists of these. No loader, no include, no call. Lead values are hostile text.

Shared by `authoring` (checks copy before anything runs) and `mail` (renders it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2 import Template as Compiled
from jinja2.filters import FILTERS as _FILTERS
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as _TESTS
from markupsafe import Markup

OUTPUT_LIMIT: Final = 512 * 1024
"""Characters one rendering may produce; mail above 102 KB is cut off by large receivers anyway."""

SOURCE_LIMIT: Final = 256 * 1024
"""Of a compiled page with its styles; `authoring` takes copy of a quarter of this."""

PLACES_LIMIT: Final = 1000
"""Places to fill in, in one page."""
PLACE_LIMIT: Final = 1000
"""Characters of one such place: parsing an expression takes more than its length."""
DEPTH_LIMIT: Final = 40

_BORROWED: Final = (
    "default", "d", "upper", "lower", "title", "capitalize", "trim", "truncate",
    "round", "int", "length", "count", "join", "first", "last", "urlencode", "escape", "e",
)
_TESTS_ALLOWED: Final = (
    "defined", "undefined", "none", "eq", "equalto", "ne", "lt", "le", "gt", "ge", "in", "number", "string",
)

ALLOWED: Final[tuple[type[nodes.Node], ...]] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const,
    nodes.If, nodes.For, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.CondExpr,
    nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Neg, nodes.List, nodes.Tuple, nodes.Keyword,
)

NAMES: Final[Mapping[str, tuple[str, ...] | None]] = {
    "lead": None,
    "links": None,
    "company": (
        "name", "legal_name", "postal_address", "website", "country", "registration", "privacy_url", "support_email",
    ),
    "campaign": ("id", "name"),
    "topic": ("id", "name"),
    "sender": ("name", "email"),
    "unsubscribe_url": (),
    "preferences_url": (),
    "reason": (),
    "language": (),
    "subject": (),
    "preheader": (),
    "content": (),
}
"""What copy may name, and the words behind the dot; None: checked against the lead's fields or the template's links."""

DERIVED: Final = ("clicked_last", "clicked_last_title", "downloaded_last", "topic_last")
"""Words of `lead` that are not profile fields but follow from what the lead did."""


class CopyError(ValueError):
    """Copy that does not read or does not render. `line` counts from 1; `name` is the unknown word, if that was it."""

    def __init__(self, message: str, line: int = 1, *, code: str = "template-syntax", name: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.code = code
        self.name = name


class Unknown(StrictUndefined):
    """A word the lead does not hold: no in an `{% if %}`, an error when printed or computed with."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:  # type: ignore[override]  # StrictUndefined says Never: it always raises
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]  # as above
        return isinstance(other, Unknown)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]  # as above
        return not isinstance(other, Unknown)

    def __hash__(self) -> int:  # type: ignore[override]  # as above
        return 0


class Lenient(Undefined):
    """For notes to colleagues: an unknown word is said to be unknown."""

    __slots__ = ()

    def __str__(self) -> str:
        return "(unknown)"


def _locale(context: Context) -> Locale:
    try:
        return Locale.parse(str(context.get("language") or "en"), sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


@pass_context
def _date(context: Context, value: Any, form: str = "long") -> str:
    """A date in the words of the mail's language: `{{ lead.budget_opens_on | date }}`."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value[:10])
        except ValueError:
            return f"{value}"
    if not isinstance(value, date):
        return f"{value}"
    chosen = form if form in ("short", "medium", "long", "full") else "long"
    return str(format_date(value, chosen, locale=_locale(context)))


@pass_context
def _number(context: Context, value: Any) -> str:
    """A number as the mail's language writes it."""
    return str(format_decimal(value, locale=_locale(context)) if isinstance(value, (int, float)) else value)


FILTERS: Final[Mapping[str, Any]] = {
    **{name: _FILTERS[name] for name in _BORROWED}, "date": _date, "number": _number,
}


class Sandbox(ImmutableSandboxedEnvironment):
    """Looks up keys of plain mappings and the counters of a loop, never an attribute of a Python object."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext) and attribute in ("index", "index0", "first", "last", "length"):
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self.getattr(obj, argument) if isinstance(argument, str) else self.undefined(obj=obj, name=str(argument))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise CopyError("copy cannot call anything", code="template-forbidden")

    def is_safe_callable(self, obj: Any) -> bool:
        return False


@lru_cache(maxsize=4)
def sandbox(*, html: bool = False, lenient: bool = False) -> Sandbox:
    """The environment: `html` escapes what is printed, `lenient` prints unknown words as `(unknown)`."""
    unknown = Lenient if lenient else Unknown
    made = Sandbox(autoescape=html, undefined=unknown, loader=None, cache_size=0, keep_trailing_newline=True)
    made.globals.clear()
    made.filters.clear()
    made.filters.update(FILTERS)
    made.tests.clear()
    made.tests.update({name: _TESTS[name] for name in _TESTS_ALLOWED})
    return made


_WHAT: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Call: "a call", nodes.Import: "an import", nodes.FromImport: "an import", nodes.Include: "an include",
    nodes.Macro: "a macro", nodes.CallBlock: "a macro call", nodes.Extends: "an extends", nodes.Block: "a block",
    nodes.Assign: "a set", nodes.AssignBlock: "a set", nodes.Mul: "arithmetic", nodes.Pow: "arithmetic",
    nodes.Add: "arithmetic", nodes.Sub: "arithmetic", nodes.Div: "arithmetic", nodes.Mod: "arithmetic",
    nodes.FloorDiv: "arithmetic", nodes.Slice: "a slice", nodes.Dict: "a dictionary",
    nodes.FilterBlock: "a filter block", nodes.With: "a with", nodes.Pos: "arithmetic",
    nodes.ScopedEvalContextModifier: "an autoescape block",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something copy may not do. `name` is the word at fault, for a caret and for a guess at what was meant."""

    code: str
    message: str
    line: int
    name: str = ""


def parse(source: str) -> nodes.Template:
    """Source -> syntax tree. Raises CopyError with the line when it does not read or is too large."""
    _measure(source)
    try:
        return sandbox().parse(source)
    except TemplateSyntaxError as error:
        raise CopyError((error.message or "it cannot be read").replace("\n", " "), error.lineno or 1) from None
    except (RecursionError, MemoryError):
        raise CopyError("nested too deeply") from None


def _measure(source: str) -> None:
    """Refuse by size before anything is parsed."""
    if len(source) > SOURCE_LIMIT:
        raise CopyError(f"longer than {SOURCE_LIMIT // 1024} KB", code="template-too-large")
    places, at = 0, source.find("{")
    while at >= 0:
        if source[at + 1:at + 2] in ("{", "%"):
            places += 1
            end = source.find("}", at)
            if places > PLACES_LIMIT or (end if end >= 0 else len(source)) - at > PLACE_LIMIT:
                line = source.count("\n", 0, at) + 1
                raise CopyError("more is filled in here than a mail can hold", line, code="template-too-large")
        at = source.find("{", at + 2)


def faults(tree: nodes.Node) -> tuple[Fault, ...]:
    """Everything in the tree that is not on the allow-list, in reading order."""
    return tuple(_faults(tree, 0, False))


def _faults(node: nodes.Node, depth: int, in_loop: bool) -> Iterator[Fault]:
    line = getattr(node, "lineno", 1) or 1
    if depth > DEPTH_LIMIT:
        yield Fault("template-forbidden", "nested too deeply", line)
        return
    if type(node) not in ALLOWED:
        what = _WHAT.get(type(node), f"`{type(node).__name__.lower()}`")
        yield Fault("template-forbidden", f"{what} is not possible in copy", line)
        return
    yield from _fault(node, line, in_loop)
    for child in node.iter_child_nodes():
        yield from _faults(child, depth + 1, in_loop or isinstance(node, nodes.For))


def _fault(node: nodes.Node, line: int, in_loop: bool) -> Iterator[Fault]:
    match node:
        case nodes.Filter(name=name) if name not in FILTERS:
            yield Fault("unknown-filter", f"copy has no filter `{name}`", line, name)
        case nodes.Test(name=name) if name not in _TESTS_ALLOWED:
            yield Fault("unknown-filter", f"copy has no test `{name}`", line, name)
        case nodes.For() if in_loop:
            yield Fault("template-forbidden", "a loop in a loop is not possible in copy", line)
        case nodes.For(iter=nodes.Getattr() | nodes.Name() | nodes.Getitem(), recursive=False):
            return
        case nodes.For():
            yield Fault("template-forbidden", "copy can only repeat over a list it is given", line)
        case nodes.Getattr(attr=name) | nodes.Name(name=name) if name.startswith("_") or name == "self":
            yield Fault("template-forbidden", f"`{name}` is not a word of copy", line, name)
        case nodes.Getitem(arg=arg) if not (isinstance(arg, nodes.Const) and isinstance(arg.value, str)):
            yield Fault("template-forbidden", "square brackets take a quoted word only", line)


@lru_cache(maxsize=1024)
def compile_copy(source: str, *, html: bool = False, lenient: bool = False) -> Compiled:
    """Source -> something `render` takes; kept, as a mail's text is the same for thousands.

    Raises CopyError when it does not read or leaves the allow-list.
    """
    found = faults(parse(source))
    if found:
        raise CopyError(found[0].message, found[0].line, code=found[0].code, name=found[0].name)
    try:
        return sandbox(html=html, lenient=lenient).from_string(source)
    except (TemplateError, RecursionError, SyntaxError) as error:
        raise CopyError(str(error).splitlines()[0] if str(error) else "it cannot be read") from None


def render(compiled: Compiled, context: Mapping[str, Any], *, limit: int = OUTPUT_LIMIT) -> str:
    """One rendering, at most `limit` characters. Raises CopyError on an unknown word without a default."""
    parts: list[str] = []
    size = 0
    try:
        for part in compiled.generate(dict(context)):
            size += len(part)
            if size > limit:
                raise CopyError(f"it grows beyond {limit} characters", code="template-too-large")
            parts.append(part)
    except TemplateError as error:
        raise CopyError(_unknown_words(error), code="undefined-variable") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        if isinstance(error, CopyError):
            raise
        raise CopyError(f"it cannot be filled in: {error}") from None
    return "".join(parts)


def _unknown_words(error: TemplateError) -> str:
    found = re.search(r"has no attribute '([^']*)'|'([^']*)' is undefined", str(error))
    name = next((g for g in found.groups() if g), "") if found else ""
    return f"`{name}` is not known and has no default" if name else str(error)


def plain(value: Any) -> Any:
    """Only text, numbers, dates, and lists and mappings of these may enter a context. Raises TypeError otherwise."""
    if value is None or type(value) in (str, int, float, bool, date, datetime, Markup):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    raise TypeError(f"a {type(value).__name__} may not enter copy")


def context(
    *,
    lead: Mapping[str, Any],
    company: Mapping[str, Any],
    sender: Mapping[str, Any],
    campaign: Mapping[str, Any] | None = None,
    topic: Mapping[str, Any] | None = None,
    links: Mapping[str, str] | None = None,
    unsubscribe_url: str,
    preferences_url: str,
    reason: str,
    language: str,
    **more: str,
) -> dict[str, Any]:
    """What copy sees. Empty values (None, "") of the lead are left out, so that `| default('...')` covers them."""
    known = {name: value for name, value in lead.items() if value not in (None, "")}
    made = {
        "lead": known, "company": company, "sender": sender, "campaign": campaign or {}, "topic": topic or {},
        "links": links or {}, "unsubscribe_url": unsubscribe_url, "preferences_url": preferences_url,
        "reason": reason, "language": language, **more,
    }
    return {name: plain(value) for name, value in made.items()}


EMPTY_LEAD: Final[Mapping[str, Any]] = {"email": "a@example.com"}
"""The least a lead who can be mailed holds."""

NASTY_TEXTS: Final = (
    "😀👩‍👩‍👧‍👦 Zoë", "\u202eشركة\u202c مثال", "x" * 200, "<b>bold</b><script>alert(1)</script>",
    "=?utf-8?q?x=0d=0aBcc=3a_evil=40example=2ecom?=", "{{ 7 * 7 }}{% raw %}", "' \" & < >",
    "a\r\nBcc: evil@example.com",
)
"""What people and their enemies write into forms: emoji, right-to-left, markup, encoded words, Jinja, line breaks."""


def nasty_lead(names: Iterable[str]) -> dict[str, Any]:
    """A lead whose every text field is hostile; the texts go round."""
    return {"email": "nasty@example.com"} | {
        name: NASTY_TEXTS[i % len(NASTY_TEXTS)] for i, name in enumerate(sorted(names)) if name != "email"
    }
