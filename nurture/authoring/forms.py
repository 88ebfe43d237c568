"""`forms/*.yaml` -> `Form`, `wordings/*.md` -> `Wording`."""

from __future__ import annotations

from typing import Any, Final

from nurture.authoring import addresses
from nurture.authoring import values as v
from nurture.authoring.block import Block, Word, Words
from nurture.authoring.desk import Desk
from nurture.authoring.shapes import SLUG, TEXT, URL, YES_NO, array, choice, ref, table, whole
from nurture.authoring.tree import Node, read_tree
from nurture.model.company import Form, FormConsent, FormField, Wording
from nurture.model.problem import Place
from nurture.model.words import Channel, Depth, Purpose

KINDS: Final = ("email", "text", "number", "date", "choice", "phone", "long_text")

FORM: Final[Words] = {
    "form": Word("Its id, equal to the file's name; campaigns and pages name it.", SLUG, True, ("buyers-guide",)),
    "title": Word("The heading of the page.", TEXT, True, ("The buyer's guide",)),
    "titles": Word("The same in other languages: language -> title.", table(TEXT), False, ({"pl": "Poradnik"},)),
    "fields": Word("What is asked, in this order.", array(ref("form_field"), 1), True),
    "consents": Word("Tick boxes, never ticked beforehand.", array(ref("form_consent"))),
    "asset": Word("What the person asked for.", URL, False, ("https://www.example.com/guide.pdf",)),
    "assets": Word("The same in other languages.", table(URL)),
    "content": Word("The content it counts as.", SLUG), "topic": Word("What it is about.", SLUG),
    "depth": Word("How far along the buying way it is.", choice(Depth)),
    "thank_you": Word("What the page says afterwards.", TEXT),
    "thanks": Word("The same in other languages: language -> text.", table(TEXT), False, ({"pl": "Dziękujemy."},)),
    "hand_raise": Word("A request to be called by sales.", YES_NO),
    "double_opt_in": Word("Consents count once the address has been confirmed.", YES_NO),
}
FORM_FIELD: Final[Words] = {
    "field": Word("The lead's field it fills.", SLUG, True, ("email",)),
    "label": Word("What the person reads.", TEXT, True, ("Work e-mail",)),
    "labels": Word("The same in other languages.", table(TEXT)),
    "type": Word("What it takes.", choice(KINDS)), "required": Word("Must be filled in.", YES_NO),
    "choices": Word("With type choice.", array({"type": ["string", "number"]}, 1)),
    "choices_in": Word("As people of other languages read them, in the same order; what is kept stays the same.",
                       table(array({"type": ["string", "number"]}, 1))),
    "progressive": Word("Asked only once the ones before it are known.", YES_NO),
}
FORM_CONSENT: Final[Words] = {
    "purpose": Word("What is agreed to.", choice(Purpose), True, ("nurture_email",)),
    "wording": Word("The id of a text in wordings/.", SLUG, True, ("nurture-email",)),
    "required": Word("Without it the form is not sent. Only for the privacy notice, or what the form itself asks for.",
                     YES_NO),
    "channel": Word("For which channel.", choice(("email", "phone", "post"))),
}
WORDING: Final[Words] = {
    "id": Word("Its id; forms name it.", SLUG, True, ("nurture-email",)),
    "version": Word("A changed text is a new version.", whole(1, 10_000), True, (1,)),
    "language": Word("Its language.", TEXT, True, ("en",)),
    "purposes": Word("What it is the text for.", array(choice(Purpose), 1), True, (["nurture_email"],)),
}


def read_form(root: Node, desk: Desk) -> Form:
    """A form as people fill it in."""
    block = Block(root, desk, FORM)
    for key in FORM:
        desk.spots[(key,)] = block.place(key)
    depth = block.get("depth", v.one_of(Depth))
    return Form(
        id=block.get("form", v.slug, desk.file.rsplit("/", 1)[-1].removesuffix(".yaml")),
        title=block.get("title", v.line, ""),
        fields=tuple(_field(n, desk) for n in block.items("fields")),
        consents=tuple(c for n in block.items("consents") if (c := _consent(n, desk)) is not None),
        asset=block.get("asset", addresses.web_address),
        content=block.get("content", v.slug),
        topic=block.get("topic", v.slug),
        depth=None if depth is None else depth.value,
        thank_you=block.get("thank_you", v.text, ""),
        hand_raise=block.get("hand_raise", v.yes_no, False),
        double_opt_in=block.get("double_opt_in", v.yes_no, True),
        titles=block.get("titles", v.by_language(v.line), {}),
        thanks=block.get("thanks", v.by_language(v.text), {}),
        assets=block.get("assets", v.by_language(addresses.web_address), {}),
        place=block.place("form"),
    )


def _field(node: Node, desk: Desk) -> FormField:
    block = Block(node, desk, FORM_FIELD)
    name = block.get("field", v.slug, "")
    kind: Any = block.get("type", v.choice(*KINDS), "text")
    choices = tuple(str(c) for c in block.get("choices", v.many(v.scalar), ()))
    if (kind == "choice") != bool(choices) and "choices" not in block.guessed and "type" not in block.guessed:
        desk.find("bad-form", node.place,
                  f"`{name}` has {'no choices' if kind == 'choice' else 'choices, but another type'}",
                  "write `type: choice, choices: [small, big]`")
    desk.spots["field", name] = block.place("field")
    return FormField(name, block.get("label", v.line, name), kind, block.get("required", v.yes_no, False), choices,
                     block.get("progressive", v.yes_no, False), block.get("labels", v.by_language(v.line), {}),
                     _choices_in(block, len(choices)))


def _choices_in(block: Block, count: int) -> dict[str, tuple[str, ...]]:
    """Translated choices; a list of another length belongs to other choices and is left out."""
    made = {}
    for language, said in block.get("choices_in", v.by_language(v.many(v.scalar)), {}).items():
        if len(said) == count:
            made[language] = tuple(str(word) for word in said)
        else:
            block.desk.find("bad-form", block.place("choices_in"),
                            f"there are {count} choices, and {len(said)} in `{language}`",
                            "translate each, in the order of `choices`")
    return made


def _consent(node: Node, desk: Desk) -> FormConsent | None:
    block = Block(node, desk, FORM_CONSENT)
    purpose, wording = block.get("purpose", v.one_of(Purpose)), block.get("wording", v.slug)
    if purpose is None or wording is None:
        return None
    required = block.get("required", v.yes_no, False)
    channel = block.get("channel", v.choice("email", "phone", "post"), Channel.EMAIL.value)
    desk.spots["consent", purpose, channel] = block.place("wording")
    desk.spots["required", purpose, channel] = block.place("required")
    return FormConsent(purpose, wording, required, channel)


def split_front(text: str, desk: Desk) -> tuple[Node, str, int] | None:
    """Front matter between two `---` lines: its tree, the body, and the body's first line. None: noted why."""
    lines = text.split("\n")
    ends = [i for i, said in enumerate(lines[:400]) if said.rstrip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        desk.find("no-front-matter", Place(desk.file), "this file has no front matter",
                  "begin it with `---`, its words, and `---` again")
        return None
    root = read_tree("\n".join(lines[1:ends[1]]), desk, first_line=2)
    if root is None:
        if not desk.problems:
            desk.find("no-front-matter", Place(desk.file), "the front matter is empty", "add its words")
        return None
    return root, "\n".join(lines[ends[1] + 1:]), ends[1] + 2


def read_wording(text: str, desk: Desk) -> Wording | None:
    """A consent text. Its file name says the same as its front matter: `<id>.<version>.<language>.md`."""
    parts = split_front(text, desk)
    if parts is None:
        return None
    root, body, _ = parts
    block = Block(root, desk, WORDING)
    name, version = block.get("id", v.slug), block.get("version", v.whole(1, 10_000))
    language, purposes = block.get("language", v.language), block.get("purposes", v.many(v.one_of(Purpose)))
    if not body.strip():
        desk.find("empty-copy", Place(desk.file), "this consent text is empty", "write what people agree to")
    if name is None or version is None or language is None or purposes is None:
        return None
    made = Wording(name, version, language, purposes, body.strip(), block.place("id"))
    file = desk.file.rsplit("/", 1)[-1]
    if file != f"{made.key}.md":
        desk.find("file-name", block.place("id"), f"this text is `{made.key}` and its file is `{file}`",
                  f"name the file `{made.key}.md`")
    return made
