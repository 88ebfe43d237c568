"""A first map for a file nobody has described yet: what its columns probably mean, and every other one to decide on."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from nurture.intake.mapping import ImportMap, Kind
from nurture.model.company import LeadField

TOP: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "e mail", "mail", "email address", "work email", "e mail adresse", "adres e mail",
              "e mailova adresa", "emailadresse", "courriel", "correo"),
    "external_id": ("id", "record id", "record id contact", "lead id", "contact id", "crm id", "external id", "leid",
                    "prospect id"),
    "country": ("country", "country region", "land", "kraj", "zeme", "pays", "pais"),
    "language": ("language", "preferred language", "sprache", "jezyk", "jazyk", "langue"),
    "timezone": ("time zone", "timezone"),
    "acquired": ("create date", "created at", "created", "optin time", "first contact", "date added"),
}
"""Keys of a map, and names of columns (in lower case, without signs and accents) that mean them."""
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "first_name": ("first name", "firstname", "given name", "fname", "vorname", "imie", "jmeno", "prenom", "nombre"),
    "last_name": ("last name", "lastname", "surname", "family name", "lname", "nachname", "nazwisko", "prijmeni",
                  "nom"),
    "company": ("company", "company name", "organisation", "organization", "account", "account name", "firma",
                "unternehmen", "societe", "empresa"),
    "role": ("role", "job title", "title", "position", "funktion", "stanowisko", "pozice", "fonction",
             "cargo"),
    "phone": ("phone", "phone number", "mobile phone", "mobile", "telefon", "telefon komorkowy", "telephone",
              "telefono"),
    "employees": ("employees", "number of employees", "company size", "mitarbeiter", "liczba pracownikow",
                  "zamestnanci"),
    "industry": ("industry", "branche", "branza", "obor", "secteur"),
    "city": ("city", "stadt", "ort", "miasto", "mesto", "ville", "ciudad"),
    "website": ("website", "website url", "web", "strona www", "webseite"),
}
_SPARE: Final = 60


def propose(header: Sequence[str], *, name: str, fields: Mapping[str, LeadField]) -> str:
    """A map as text. Only what is certain by its name is mapped; all other columns stand in it as comments.

    Nothing in it makes anybody mailable: that needs a proof only a human can name.
    """
    columns = {_plain(column): column for column in reversed(header) if header.count(column) == 1}
    taken: list[str] = []
    lines = ["# A first map. Look at every line; `nurture import FILE --map THIS --dry-run` says what it would do.",
             f"import: {json.dumps(name)}", f"source: {json.dumps(name)}    # where these people came from"]
    for key, names in TOP.items():
        if (column := _first(columns, names)) is not None:
            lines.append(f"{key}: {_quoted(column)}")
            taken.append(column)
    if not any(line.startswith(("email:", "external_id:")) for line in lines):
        lines.append("# email: the column with the address; without it, or an external_id, nothing can be imported")
    lines += ["unknown: [\"\", \"-\", \"n/a\"]", "fields:"]
    for field, names in _fields(fields).items():
        column = _first({k: v for k, v in columns.items() if v not in taken}, names)
        if column is not None:
            lines.append(f"  {field}: {_quoted(column)}")
            taken.append(column)
    if lines[-1] == "fields:":
        lines[-1] = "fields: {}"
    left = [column for column in header if column not in taken][:_SPARE]
    lines += ["  # our_name: their column", *(f"  # ...: {_quoted(column)}" for column in left)] if left else []
    return "\n".join([*lines, *_CONSENT]) + "\n"


def fit_to(rules: ImportMap, fields: Mapping[str, LeadField]) -> tuple[ImportMap, list[str]]:
    """The map with the company's types for its fields, and a sentence for each field the company does not have."""
    typed, strange = dict(rules.fields), []
    for name, take in rules.fields.items():
        known = fields.get(name)
        if known is None:
            near = difflib.get_close_matches(name, fields, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            strange.append(f"`{name}` is no field of company.yaml: it is kept, but no campaign can ask for it{hint}")
        elif take.kind == "text" and known.kind in _KINDS:
            typed[name] = replace(take, kind=_KINDS[known.kind])
    return replace(rules, fields=typed), strange


_KINDS: Final[Mapping[str, Kind]] = {"number": "number", "date": "date", "yes_no": "yes_no"}
_CONSENT: Final = (
    "",
    "# Who must not be mailed:",
    "# block:",
    "#   - {reason: unsubscribed, when: {column: Unsubscribed, is: \"Yes\"}}",
    "# Who may be mailed, with proof (nurture/intake/README.md):",
    "# consent:",
    "#   - {purposes: [nurture_email], when: {column: Opt in, is: \"Yes\"}, source: Form, at: Agreed, wording: Text}",
)


def _fields(fields: Mapping[str, LeadField]) -> dict[str, tuple[str, ...]]:
    """Field -> names of columns: the usual ones, the field's own name and its label."""
    own = {name: (_plain(name), _plain(field.label)) for name, field in fields.items() if name not in TOP}
    return {name: (*FIELDS.get(name, ()), *own.get(name, ())) for name in (*FIELDS, *own)}


def _first(columns: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def _plain(name: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.replace("ł", "l")) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[\W_]+", " ", bare.casefold()).split())


def _quoted(column: str) -> str:
    """As YAML, in quotes where it needs them."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9 ]*[A-Za-z0-9]", column) and _plain(column) not in _WORDS:
        return column
    return json.dumps(column, ensure_ascii=not column.isprintable())


_WORDS: Final = frozenset({"yes", "no", "true", "false", "null", "on", "off", "y", "n"})
