"""The tree under every file: what stands where, and that the fast reader and ruamel.yaml read the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from nurture.authoring.desk import Desk
from nurture.authoring.tree import Node, read_tree
from tests.authoring.folders import good
from tests.authoring.test_bad_input import mutated


def plain(node: Node) -> Any:
    if node.kind == "list":
        return [plain(n) for n in node.items]
    if node.kind == "map":
        return {key: plain(value) for key, (_, value) in node.pairs.items()}
    return node.text, node.plain


def by_ruamel(text: str) -> Any:
    def of(node: Any) -> Any:
        match node:
            case ScalarNode():
                return node.value, node.style in (None, "")
            case SequenceNode():
                return [of(n) for n in node.value]
            case MappingNode():
                return {k.value: of(v) for k, v in node.value}
        raise AssertionError(type(node))

    return of(YAML(typ="rt", pure=True).compose(text))


@pytest.mark.parametrize("name", [n for n in sorted(good()) if n.endswith(".yaml")])
def test_both_readers_read_the_same(name: str) -> None:
    root = read_tree(good()[name], Desk(name))
    assert root is not None and plain(root) == by_ruamel(good()[name])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_both_readers_read_the_same_of_mutated_files(case: tuple[str, str]) -> None:
    name, text = case
    desk = Desk(name)
    root = read_tree(text, desk) if name.endswith(".yaml") else None
    if root is None or desk.problems:
        return
    try:
        other = by_ruamel(text)
    except (YAMLError, ValueError, AttributeError, TypeError, IndexError, AssertionError):
        return
    assert plain(root) == other


def test_places_count_from_one_and_know_how_wide_a_word_is() -> None:
    root = read_tree("a: one\nb:\n  - { c: 'two words' }\n", Desk("x.yaml"))
    assert root is not None
    key, value = root.pairs["a"]
    assert (key.place.line, key.place.col, key.place.width) == (1, 1, 1)
    assert (value.place.line, value.place.col, value.place.width) == (1, 4, 3)
    inner = root.pairs["b"][1].items[0].pairs["c"][1]
    assert (inner.place.line, inner.place.col, inner.place.width) == (3, 10, 11)


def test_a_duplicate_key_is_said_and_the_rest_is_read() -> None:
    desk = Desk("x.yaml")
    root = read_tree("a: 1\nb: 2\na: 3\n", desk)
    assert root is not None and root.pairs["a"][1].text == "1"
    assert [(p.code, p.place.line) for p in desk.problems] == [("duplicate-key", 3)]


@pytest.mark.parametrize(("text", "code"), [
    ("a: &x 1", "alias"), ("a: 1\nb: *a", "alias"), ("<<: { a: 1 }", "merge-key"), ("a: !!str 1", "yaml-tag"),
    ("a: !x 1", "yaml-tag"),
    ("a: 1\n---\nb: 2", "several-documents"), ("%YAML 1.2\n---\na: 1", "yaml-directive"), ("a:\t1", "tab"),
    ("a: \x07", "odd-character"),
    ("[" * 50 + "]" * 50, "too-deep"), ("a: [1", "yaml"), ("a: {{ b }}", "yaml"), ("{ [a]: b }", "yaml"),
    ("a: 'b", "yaml"), ("a: b: c", "yaml"),
])
def test_what_is_not_read(text: str, code: str) -> None:
    desk = Desk("x.yaml")
    assert read_tree(text, desk) is None
    assert [p.code for p in desk.problems] == [code]


def test_a_colon_in_a_text_gets_its_hint() -> None:
    desk = Desk("x.yaml")
    read_tree("subject: One thing: two\n", desk)
    assert "double quotes" in desk.problems[0].fix
