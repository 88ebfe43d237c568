"""Reading what a person typed into a form, and choosing which questions to ask at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from nurture.model.address import read_address
from nurture.model.company import Form, FormField

LONGEST: Final = {"long_text": 2000}
AT_ONCE: Final = 2
"""Progressive questions asked in one visit."""
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{4,28}[0-9]")
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}")


def asked(form: Form, known: Mapping[str, Any], *, identified: bool) -> list[FormField]:
    """The fields to show. To a stranger all plain ones; to somebody we know, what we do not know yet.

    A progressive field comes once every field before it is known, at most two of them at a time.
    """
    shown: list[FormField] = []
    open_before = 0
    progressive = 0
    for field in form.fields:
        if identified and (field.kind == "email" or known.get(field.name) not in (None, "")):
            continue
        if not field.progressive:
            shown.append(field)
            open_before += 1
        elif identified and not open_before and progressive < AT_ONCE:
            shown.append(field)
            progressive += 1
    return shown


def read(fields: Sequence[FormField], typed: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(values, mistakes by field name). Mistakes are keys that the page says in the person's language."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields:
        raw = typed.get(field.name)
        text = tidy(raw, long=field.kind == "long_text") if isinstance(raw, str) else ""
        if not text:
            if field.required:
                wrong[field.name] = "missing"
            continue
        if len(text) > LONGEST.get(field.kind, 200):
            wrong[field.name] = "long"
            continue
        try:
            values[field.name] = _value(field, text)
        except ValueError:
            wrong[field.name] = field.kind
    return values, wrong


def tidy(text: str, *, long: bool = False) -> str:
    """NFC without control and direction characters; line ends stay only in long texts."""
    kept = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    kept = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") or (long and c == "\n") or c == "\u200d"
        else " " for c in kept
    )
    return kept.strip() if long else " ".join(kept.split())


def _value(field: FormField, text: str) -> Any:
    match field.kind:
        case "email":
            return read_address(text).mailbox
        case "number":
            if not _NUMBER.fullmatch(text.replace(" ", "")):
                raise ValueError(text)
            return int(text.replace(" ", ""))
        case "date":
            return date.fromisoformat(text).isoformat()
        case "phone":
            if not _PHONE.fullmatch(text):
                raise ValueError(text)
            return text
        case "choice":
            if text not in field.choices:
                raise ValueError(text)
            return text
    return text
