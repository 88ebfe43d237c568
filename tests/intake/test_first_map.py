"""A first map: what export layouts of other systems are understood as, and that it always can be read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.errors import UsageError
from nurture.intake.first_map import fit_to, propose
from nurture.intake.map_file import parse_map
from nurture.model.company import BUILT_IN_FIELDS, LeadField

FIELDS = {**BUILT_IN_FIELDS, "roof_area": LeadField("roof_area", "number", "Dachfläche")}


@pytest.mark.parametrize(
    ("header", "top", "fields"),
    [
        (["Record ID - Contact", "First Name", "Last Name", "Email", "Phone Number", "Company Name", "Job Title",
          "Country/Region", "Create Date"],
         {"email": "Email", "external_id": "Record ID - Contact", "country": "Country/Region",
          "acquired": "Create Date"},
         {"first_name": "First Name", "last_name": "Last Name", "phone": "Phone Number", "company": "Company Name",
          "role": "Job Title"}),
        (["Email Address", "First Name", "Last Name", "MEMBER_RATING", "OPTIN_TIME", "LEID", "Yes"],
         {"email": "Email Address", "external_id": "LEID", "acquired": "OPTIN_TIME"},
         {"first_name": "First Name", "last_name": "Last Name"}),
        (["E-Mail-Adresse", "Vorname", "Nachname", "Firma", "Land", "Dachfläche", "Dachfläche2"],
         {"email": "E-Mail-Adresse", "country": "Land"},
         {"first_name": "Vorname", "last_name": "Nachname", "company": "Firma", "roof_area": "Dachfläche"}),
        (["Adres e-mail", "Imię", "Nazwisko", "Stanowisko"], {"email": "Adres e-mail"},
         {"first_name": "Imię", "last_name": "Nazwisko", "role": "Stanowisko"}),
    ],
)
def test_exports_of_other_systems_are_understood(
    header: list[str], top: dict[str, str], fields: dict[str, str]
) -> None:
    rules = parse_map(propose(header, name="people", fields=FIELDS).encode())
    mapped = {key: take.column for key in top if (take := getattr(rules, key)) is not None}
    assert mapped == top
    assert {name: take.column for name, take in rules.fields.items()} == fields
    assert rules.consents == ()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=12), max_size=8))
def test_any_header_gives_a_map_that_reads(header: list[str]) -> None:
    rules = parse_map(propose([*header, "E-mail"], name="x", fields=FIELDS).encode())
    assert rules.columns() <= {*header, "E-mail"}


def test_without_an_address_the_map_says_what_is_missing() -> None:
    with pytest.raises(UsageError):
        parse_map(propose(["Note"], name="x", fields=FIELDS).encode())


def test_a_field_has_the_companys_type_and_a_misspelt_one_is_said() -> None:
    rules = parse_map(b"import: x\nemail: E\nfields: {roof_area: A, employees: B, roof_aera: C, first_name: D}\n")
    fitted, strange = fit_to(rules, FIELDS)
    kinds = {name: take.kind for name, take in fitted.fields.items()}
    assert kinds == {"roof_area": "number", "employees": "number", "roof_aera": "text", "first_name": "text"}
    assert len(strange) == 1
    assert "did you mean `roof_area`?" in strange[0]
