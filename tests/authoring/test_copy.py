"""Copy: the fences around it, what it may name, and what it does to a lead of whom nothing is known."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.authoring.copy import Known, copy_faults, without_jinja
from nurture.authoring.template import links_of
from nurture.model.problem import Place
from nurture.model.sandbox import (
    EMPTY_LEAD,
    NASTY_TEXTS,
    CopyError,
    compile_copy,
    context,
    faults,
    nasty_lead,
    parse,
    plain,
    render,
    sandbox,
)

KNOWN = Known(frozenset({"email", "first_name", "company", "employees", "opens"}), frozenset({"guide", "read-it"}),
              frozenset({"employees"}), frozenset({"opens"}))

ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ lead.__init__.__globals__ }}", "{{ lead|attr('__class__') }}",
    "{{ self._TemplateReference__context }}", "{{ self.__init__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}", "{{ namespace() }}", "{{ range(999999) }}", "{{ dict(a=1) }}", "{{ joiner() }}",
    "{% include '/etc/passwd' %}", "{% import 'os' as os %}", "{% from 'x' import y %}", "{% extends 'x' %}",
    "{% block a %}{% endblock %}",
    "{% macro a() %}{% endmacro %}", "{% call a() %}{% endcall %}", "{% set a = 1 %}", "{% set a %}x{% endset %}",
    "{% filter upper %}x{% endfilter %}", "{% autoescape false %}{{ lead.company }}{% endautoescape %}",
    "{% with a = 1 %}{% endwith %}",
    "{{ lead.delete() }}", "{{ lead['first_name'].upper() }}", "{{ 'a' * 10**10 }}", "{{ 2 ** 99999 }}",
    "{{ 1 // 0 }}", "{{ 'a' % 1 }}",
    "{{ lead.company | safe }}", "{{ lead.company | map('upper') }}", "{{ lead.company | format }}",
    "{{ lead.company | xmlattr }}",
    "{{ lead.company | center(10 ** 8) }}", "{{ '%s' | format(lead) }}", "{{ lead.company | tojson }}",
    "{{ lead.company | pprint }}",
    "{{ lead | dictsort }}", "{{ lead.company | groupby('x') }}", "{{ lead.company | replace('a', 'b' * 999) }}",
    "{% for a in [1,2,3] %}{% endfor %}", "{% for a in links recursive %}{{ loop(a) }}{% endfor %}",
    "{% for a in links %}{% for b in links %}{{ b }}{% endfor %}{% endfor %}", "{{ lead[0] }}",
    "{{ lead[lead.company] }}",
    "{{ lead.company[0:5] }}", "{{ _x }}", "{{ lead._x }}", "{{ {'a': 1} }}", "{% raw %}{% endraw %}{{ x() }}",
    "{{ lead.company is sameas(1) }}",
    "{% trans %}x{% endtrans %}", "{% do x %}", "{% debug %}", "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ lead" + ".x" * 200 + " }}",
)


@pytest.mark.parametrize("source", ESCAPES)
def test_copy_cannot_leave_its_fence(source: str) -> None:
    with pytest.raises(CopyError):
        compile_copy(source)
    assert copy_faults(source, KNOWN, True)


@pytest.mark.parametrize("word", ["items", "keys", "pop", "get", "update", "clear", "__class__", "values"])
def test_only_keys_are_looked_up_never_methods(word: str) -> None:
    made = sandbox()
    found = made.getattr({"a": 1}, word)
    assert isinstance(found, made.undefined)
    assert made.getattr({word: "x"}, word) == "x"
    assert isinstance(made.getattr("text", "upper"), made.undefined)


def filled(source: str, lead: dict[str, object], *, html: bool = True, lenient: bool = False,
           language: str = "en") -> str:
    return render(compile_copy(source, html=html, lenient=lenient), context(
        lead=lead, company={"name": "Acme & Co"}, sender={"name": "Ines"}, topic={"name": "Phones"},
        links={"read-it": "https://x.example"},
        unsubscribe_url="https://x.example/u?a=1&b=2", preferences_url="https://x.example/p", reason="because",
        language=language))


def test_an_unknown_word_is_no_in_a_condition_and_an_error_when_printed() -> None:
    assert filled("{% if lead.company %}yes{% else %}no{% endif %}", {}) == "no"
    assert filled("{{ 'yes' if lead.company == 'x' else 'no' }}", {}) == "no"
    assert filled("{{ lead.company | default('you') }}", {}) == "you"
    assert filled("{{ lead.company | default('you') }}", {"company": ""}) == "you"
    assert filled("{{ lead.company }}", {}, lenient=True) == "(unknown)"
    with pytest.raises(CopyError) as error:
        filled("{{ lead.company }}", {})
    assert error.value.code == "undefined-variable" and "company" in error.value.message


def test_values_are_escaped_in_html_and_left_alone_in_text() -> None:
    assert filled("{{ lead.a }}", {"a": "<b>&"}) == "&lt;b&gt;&amp;"
    assert filled("{{ lead.a }}", {"a": "<b>&"}, html=False) == "<b>&"
    assert filled("{{ lead.a }}", {"a": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"
    assert "&amp;b=2" in filled("{{ unsubscribe_url }}", {})


def test_dates_and_numbers_speak_the_mails_language() -> None:
    assert filled("{{ lead.d | date }}", {"d": date(2027, 3, 1)}, language="pl") == "1 marca 2027"
    assert filled("{{ lead.d | date('short') }}", {"d": "2027-03-01"}, language="de") == "01.03.27"
    assert filled("{{ lead.n | number }}", {"n": 12345}, language="en") == "12,345"
    assert filled("{{ lead.d | date }}", {"d": "soon"}, language="xx") == "soon"


def test_only_plain_data_enters() -> None:
    class Row:
        name = "x"

    with pytest.raises(TypeError):
        plain({"lead": Row()})
    with pytest.raises(TypeError):
        plain({"f": lambda: 1})
    assert plain({"a": (1, "x", None), "b": None}) == {"a": [1, "x", None]}


def test_output_is_limited() -> None:
    with pytest.raises(CopyError) as error:
        render(compile_copy("{{ lead.a }}" * 100), {"lead": {"a": "x" * 10_000}})
    assert error.value.code == "template-too-large"


FINE = (
    "Hello {{ lead.first_name | default('there') }}", "{{ lead.first_name | default('there') | upper }}",
    "{{ lead.email }}",
    "{% if lead.company %}{{ lead.company }}{% endif %}",
    "{% if lead.company is defined and lead.company %}{{ lead.company }}{% endif %}",
    "{% if not lead.company %}you{% else %}{{ lead.company }}{% endif %}",
    "{{ lead.company if lead.company else 'you' }}",
    "{% if lead.company == 'x' %}{{ lead.company }}{% elif lead.first_name %}{{ lead.first_name }}{% endif %}",
    "{{ links.guide }} {{ links['read-it'] }}",
    "{{ company.legal_name }} {{ sender.name }} {{ reason }} {{ unsubscribe_url }}",
    "{{ lead.opens | default('') | date }}", "{% if lead.company or lead.first_name %}someone{% endif %}",
    "{% if (lead.employees | default(0)) > 50 %}large{% endif %}", "{{ 'Hi ' ~ (lead.first_name | default('you')) }}",
    "{% for name in links %}{{ loop.index }} {{ name }}{% endfor %}", "{# a note #}nothing", "",
)
WRONG = {
    "Hello {{ lead.first_name }}": "missing-default", "{{ lead.company | upper | default('x') }}": "missing-default",
    "{% if lead.company %}{{ lead.first_name }}{% endif %}": "missing-default",
    "{% if lead.employees > 5 %}x{% endif %}": "missing-default",
    "{% if lead.company or lead.first_name %}{{ lead.company }}{% endif %}": "missing-default",
    "{% if not lead.company %}{{ lead.company }}{% endif %}": "missing-default",
    "{{ 'a' ~ lead.company }}": "missing-default",
    "{{ lead.compani | default('') }}": "undefined-variable", "{{ led.company }}": "undefined-variable",
    "{{ company.nam }}": "undefined-variable",
    "{{ first_name }}": "undefined-variable", "{{ links.gide }}": "undefined-variable",
    "{{ lead }}": "undefined-variable",
    "{{ company }}": "undefined-variable", "{% if lead.compani %}x{% endif %}": "undefined-variable",
    "{{ lead.company | default(lead.first_name) }}": "missing-default", "{{ lead.first_name": "template-syntax",
    "{% if %}": "template-syntax",
    "{{ lead.company | defautl('x') }}": "unknown-filter",
    "{{ lead.first_name | default('x') | round }}": "render-failed",
}


@pytest.mark.parametrize("source", FINE)
def test_copy_that_is_fine_for_every_lead(source: str) -> None:
    assert copy_faults(source, KNOWN, True) == ()


@pytest.mark.parametrize("source", WRONG)
def test_copy_that_would_fail_for_some_lead(source: str) -> None:
    assert [f.code for f in copy_faults(source, KNOWN, True)] == [WRONG[source]]


def test_a_guess_comes_with_an_unknown_word() -> None:
    (fault,) = copy_faults("a\nb {{ lead.frist_name | default('') }}", KNOWN, True)
    assert "Did you mean `first_name`?" in fault.message and fault.line == 2 and fault.name == "frist_name"
    (fault,) = copy_faults("{{ first_name }}", KNOWN, True)
    assert "Did you mean `lead.first_name`?" in fault.message


@pytest.mark.parametrize("text", NASTY_TEXTS)
def test_a_nasty_value_stays_a_value(text: str) -> None:
    shown = filled("[{{ lead.first_name }}]", {"first_name": text})
    assert "<" not in shown and "49" not in shown
    assert filled("[{{ lead.first_name }}]", {"first_name": text}, html=False) == f"[{text}]"


def test_nobody_and_a_nasty_somebody() -> None:
    assert EMPTY_LEAD == {"email": "a@example.com"}
    nasty = nasty_lead(["email", "first_name", "company"])
    assert nasty["first_name"] in NASTY_TEXTS and nasty["email"] == "nasty@example.com"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}%#|.()[]'\" abcdleadifor_-~*+0123456789\n", max_size=80))
def test_any_source_is_compiled_or_refused(source: str) -> None:
    copy_faults(source, KNOWN, True)
    try:
        assert faults(parse(source)) == () or True
        compiled = compile_copy(source, html=True)
        render(compiled, {"lead": {}, "links": {}})
    except CopyError:
        pass


def test_links_of_markdown_mjml_and_html() -> None:
    at = Place("t", 5)
    source = (
        'a\n[x](https://a.example/b "name") and [y]({{ unsubscribe_url }}) '
        '<a href="https://c.example" data-link="c">c</a>'
    )
    found = links_of(source, "md", at)
    assert [(link.url, link.name) for link in found] == [
        ("https://a.example/b", "name"), ("{{ unsubscribe_url }}", None), ("https://c.example", "c")]
    assert (found[0].place.line, found[0].place.col) == (6, 5)
    found = links_of('<mj-button href="https://a.example" name="go">x</mj-button>', "mjml", at)
    assert [(link.url, link.name) for link in found] == [("https://a.example", "go")]
    assert links_of("[x](https://a.example/{{ lead.id }}/b)", "md", at)[0].url == "https://a.example/{{ lead.id }}/b"


def test_subjects_are_measured_without_what_is_filled_in() -> None:
    assert without_jinja("{% if lead.x %}Hi{% endif %} {{ lead.first_name | default('you') }}!") == "Hi !"
