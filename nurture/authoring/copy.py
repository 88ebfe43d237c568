"""Copy checked against what a lead can hold: names, defaults, and a try with nobody and with a nasty somebody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Final

from jinja2 import nodes

from nurture.authoring.desk import MOST, did_you_mean
from nurture.model.company import LeadField
from nurture.model.sandbox import (
    DERIVED,
    EMPTY_LEAD,
    FILTERS,
    NAMES,
    CopyError,
    Fault,
    compile_copy,
    context,
    faults,
    nasty_lead,
    parse,
    render,
)

ALWAYS_KNOWN: Final = frozenset({"email"})
_DEFAULTS: Final = frozenset({"default", "d"})


@dataclass(frozen=True, slots=True)
class Known:
    """What a copy may name. `fields` hold the lead's fields; `links` the mail's named links. Hashable for the cache."""

    fields: frozenset[str]
    links: frozenset[str]
    numbers: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    lenient: bool = False
    """Notes to colleagues: an unknown word is printed as such."""


@dataclass(slots=True)
class _Walk:
    known: Known
    found: list[Fault] = field(default_factory=list)


@lru_cache(maxsize=8192)
def copy_faults(source: str, known: Known, html: bool) -> tuple[Fault, ...]:
    """Everything wrong with a piece of copy. Pure, so unchanged copy is looked at once per process."""
    try:
        tree = parse(source)
    except CopyError as error:
        return (Fault(error.code, error.message, error.line, error.name),)
    forbidden = tuple(_with_hint(fault) for fault in faults(tree)[:MOST])
    if forbidden:
        return forbidden
    walk = _Walk(known)
    _visit(tree, frozenset(), frozenset(), walk)
    return tuple(walk.found[:MOST]) or _tried(source, known, html)


def _with_hint(fault: Fault) -> Fault:
    if fault.code != "unknown-filter":
        return fault
    return Fault(fault.code, fault.message + "." + did_you_mean(fault.name, FILTERS), fault.line, fault.name)


def _visit(node: nodes.Node, local: frozenset[str], sure: frozenset[str], walk: _Walk) -> None:
    """Statements: `local` are the names of loops around, `sure` the lead's words that are known to be there."""
    match node:
        case nodes.Output(nodes=parts):
            for part in parts:
                _expression(part, local, sure, walk)
        case nodes.If(test=test, body=body, elif_=elifs, else_=otherwise):
            _test(test, local, sure, walk)
            yes, no = _sure(test)
            for child in body:
                _visit(child, local, sure | yes, walk)
            for child in [*elifs, *otherwise]:
                _visit(child, local, sure | no, walk)
        case nodes.For(target=target, iter=over, body=body, else_=otherwise):
            if not (isinstance(over, nodes.Name) and over.name == "links"):
                _expression(over, local, sure, walk)
            names = {n.name for n in target.find_all(nodes.Name)} | ({target.name} if isinstance(target,
                                                                                                 nodes.Name) else set())
            for child in body:
                _visit(child, local | names | {"loop"}, sure, walk)
            for child in otherwise:
                _visit(child, local, sure, walk)
        case _:
            for child in node.iter_child_nodes():
                _visit(child, local, sure, walk)


def _expression(node: nodes.Node, local: frozenset[str], sure: frozenset[str], walk: _Walk, *,
                safe: bool = False) -> None:
    """Something that is printed or computed with. `safe`: a default stands around it."""
    match node:
        case nodes.Getattr(node=nodes.Name(name=root), attr=word) if root not in local:
            _word(root, word, node.lineno, sure, walk, safe)
        case nodes.Getitem(node=nodes.Name(name=root), arg=nodes.Const(value=str() as word)) if root not in local:
            _word(root, word, node.lineno, sure, walk, safe)
        case nodes.Name(name=name) if name not in local:
            _root(name, node.lineno, walk)
        case nodes.Filter(node=inner, name=name, args=args):
            if inner is not None:
                _expression(inner, local, sure, walk, safe=name in _DEFAULTS)
            for arg in args:
                _expression(arg, local, sure, walk, safe=safe)
        case nodes.CondExpr(test=test, expr1=yes, expr2=no):
            _test(test, local, sure, walk)
            known, unknown = _sure(test)
            _expression(yes, local, sure | known, walk, safe=safe)
            if no is not None:
                _expression(no, local, sure | unknown, walk, safe=safe)
        case nodes.Test() | nodes.Compare() | nodes.And() | nodes.Or() | nodes.Not():
            _test(node, local, sure, walk)
        case _:
            for child in node.iter_child_nodes():
                _expression(child, local, sure, walk, safe=safe)


def _test(node: nodes.Node, local: frozenset[str], sure: frozenset[str], walk: _Walk) -> None:
    """A condition: an unknown word is simply no, except where sizes are compared."""
    sized = isinstance(node, nodes.Compare) and any(o.op in ("gt", "lt", "gteq", "lteq") for o in node.ops)
    match node:
        case nodes.And(left=left, right=right):
            _test(left, local, sure, walk)
            _test(right, local, sure | _sure(left)[0], walk)
        case nodes.Getattr() | nodes.Getitem() | nodes.Name() | nodes.Filter():
            _expression(node, local, sure, walk, safe=not isinstance(node, nodes.Filter))
        case nodes.Compare():
            for child in node.iter_child_nodes():
                inner = child.expr if isinstance(child, nodes.Operand) else child
                _expression(inner, local, sure, walk, safe=not sized)
        case _:
            for child in node.iter_child_nodes():
                _test(child, local, sure, walk)


def _sure(test: nodes.Node) -> tuple[frozenset[str], frozenset[str]]:
    """Which of the lead's words are known where the test holds, and where it does not."""
    nothing: frozenset[str] = frozenset()
    match test:
        case nodes.Getattr(node=nodes.Name(name="lead"), attr=word):
            return frozenset({word}), nothing
        case nodes.Test(node=nodes.Getattr(node=nodes.Name(name="lead"), attr=word), name="defined"):
            return frozenset({word}), nothing
        case nodes.Test(node=nodes.Getattr(node=nodes.Name(name="lead"), attr=word), name="undefined"):
            return nothing, frozenset({word})
        case nodes.Compare(expr=nodes.Getattr(node=nodes.Name(name="lead"), attr=word),
                           ops=[nodes.Operand(op="eq" | "in")]):
            return frozenset({word}), nothing
        case nodes.Not(node=inner):
            yes, no = _sure(inner)
            return no, yes
        case nodes.And(left=left, right=right):
            return _sure(left)[0] | _sure(right)[0], nothing
        case nodes.Or(left=left, right=right):
            return _sure(left)[0] & _sure(right)[0], _sure(left)[1] | _sure(right)[1]
    return nothing, nothing


def _root(name: str, line: int, walk: _Walk) -> None:
    if name in ("lead", "links") or (NAMES.get(name)):
        walk.found.append(Fault("undefined-variable",
                                f"`{name}` is a block of words, not a text: write `{name}.` and a word", line, name))
    elif name not in NAMES:
        hint = f" Did you mean `lead.{name}`?" if name in walk.known.fields else did_you_mean(name, NAMES)
        walk.found.append(Fault("undefined-variable", f"copy knows no `{name}`.{hint}", line, name))


def _word(root: str, word: str, line: int, sure: frozenset[str], walk: _Walk, safe: bool) -> None:
    known = walk.known
    if root not in NAMES:
        hint = did_you_mean(root, NAMES)
        walk.found.append(Fault("undefined-variable", f"copy knows no `{root}`.{hint}", line, root))
        return
    words = {"lead": known.fields | set(DERIVED), "links": known.links}.get(root, frozenset(NAMES[root] or ()))
    if word not in words:
        what = {"lead": "a lead has no field", "links": "this mail has no link"}.get(root, f"`{root}` has no")
        walk.found.append(Fault("undefined-variable", f"{what} `{word}`.{did_you_mean(word, words)}", line, word))
    elif root == "lead" and not (safe or known.lenient or word in sure or word in ALWAYS_KNOWN):
        walk.found.append(Fault(
            "missing-default", f"`lead.{word}` is not known of every lead and has no default", line, word))


def _tried(source: str, known: Known, html: bool) -> tuple[Fault, ...]:
    """A rendering with a lead of whom only the address is known, and with one whose every field is hostile."""
    if "{" not in source:
        return ()
    nasty = nasty_lead(known.fields | set(DERIVED))
    nasty |= dict.fromkeys(known.numbers, 10**12) | dict.fromkeys(known.dates, date(9999, 12, 31))
    for who, lead in (("a lead of whom only the address is known", EMPTY_LEAD), ("a lead with hostile fields", nasty)):
        try:
            shown = render(compile_copy(source, html=html, lenient=known.lenient), _context(lead, known))
        except CopyError as error:
            return (Fault("render-failed", f"{error.message} (tried with {who})", error.line, error.name),)
        if html and "<script>alert(1)</script>" in shown:
            return (Fault("render-failed", "a lead's name can become HTML here", 1),)
    return ()


def _context(lead: Mapping[str, Any], known: Known) -> dict[str, Any]:
    made: dict[str, dict[str, str]] = {
        name: dict.fromkeys(words or (), "Example") for name, words in NAMES.items() if words
    }
    return context(
        lead=lead, company=made["company"], sender=made["sender"], campaign=made["campaign"], topic=made["topic"],
        links=dict.fromkeys(known.links, "https://www.example.com/"), unsubscribe_url="https://www.example.com/u",
        preferences_url="https://www.example.com/p", reason="You asked for it.", language="en", subject="Subject",
        preheader="Preheader", content="",
    )


def known_of(fields: Mapping[str, LeadField], links: frozenset[str], *, lenient: bool = False) -> Known:
    """What copy may name, from the lead's fields."""
    return Known(
        frozenset(fields), links, frozenset(n for n, f in fields.items() if f.kind == "number"),
        frozenset(n for n, f in fields.items() if f.kind == "date"), lenient,
    )


def without_jinja(source: str) -> str:
    """The text a reader would count: what is filled in is left out."""
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", source, flags=re.DOTALL)


def names_in(source: str) -> frozenset[str] | None:
    """Every `root.word` and bare name of a copy, for asking what it shows. None: it does not read as a template."""
    try:
        tree = parse(source)
        found = {name.name for name in tree.find_all(nodes.Name)}
        for attr in tree.find_all(nodes.Getattr):
            if isinstance(attr.node, nodes.Name):
                found.add(f"{attr.node.name}.{attr.attr}")
    except (CopyError, RecursionError):
        return None
    return frozenset(found)
