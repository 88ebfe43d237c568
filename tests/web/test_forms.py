"""Forms, double opt-in and the preference centre: nothing is on that a person did not turn on."""

from __future__ import annotations

import re
from datetime import timedelta

from nurture.acts import privacy
from nurture.model.words import Channel, ConsentStatus, Purpose
from nurture.store.privacy import rights
from tests.web.conftest import PHONE, World

NURTURE = Purpose.NURTURE_EMAIL
TICKED = {"agree-privacy_notice-email": "yes", "agree-nurture_email-email": "yes"}


def confirm_link(world: World) -> str:
    text = world.one("select payload from outbox where key like 'confirm:%'")
    return re.search(r"http://testserver(/confirm/\S+?)[\\\s\"]", str(text) + " ").group(1)


def submit(world: World, email: str = "ada@example.com", **more: str) -> int:
    return world.client.post("/forms/guide", data={"email": email, "first_name": "Ada", **TICKED, **more}).status_code


def test_a_form_page_shows_boxes_that_nobody_ticked_beforehand(world: World) -> None:
    answer = world.client.get("/forms/guide")
    assert answer.status_code == 200
    assert "checked" not in answer.text
    assert "Acme may send me guides by e-mail." in answer.text
    assert "Employees" not in answer.text


def test_a_form_speaks_the_visitors_language_and_keeps_the_companys_words(world: World) -> None:
    polish = {"accept-language": "pl"}
    shown = world.client.get("/forms/call", headers=polish).text
    assert '<h1 lang="pl">Czy możemy zadzwonić?</h1>' in shown and "<title>Czy możemy zadzwonić?" in shown
    assert "Kiedy?" in shown and '<option value="mornings" lang="pl">rano</option>' in shown
    typed = {"email": "ada@example.com", "phone": "+48 22 555 01 00", "agree-sales_contact-phone": "yes"}
    wrong = world.client.post("/forms/call", data={**typed, "call_time": "rano"}, headers=polish)
    assert wrong.status_code == 422
    thanked = world.client.post("/forms/call", data={**typed, "call_time": "afternoons"}, headers=polish).text
    assert "Zadzwonimy." in thanked and 'href="https://example.com/pl/call.pdf"' in thanked
    lead = world.one("select id from lead")
    with world.store.read() as conn:
        person = rights.person(conn, lead)
    assert person is not None and person.fields["call_time"] == "afternoons"


def test_what_a_form_does_not_say_in_a_language_is_marked_as_the_companys(world: World) -> None:
    """Screen readers have to know that the title is German and the choices are not."""
    german = world.client.get("/forms/call", headers={"accept-language": "de"}).text
    assert '<html lang="de">' in german and '<h1 lang="de">Dürfen wir anrufen?</h1>' in german
    assert '<span lang="en">When?</span>' in german and '<option value="mornings" lang="en">mornings</option>' in german
    assert "Telefon" in german, "what most forms ask for is asked in every language"
    thanked = world.client.post("/forms/call?lang=de", data={
        "email": "ada@example.com", "phone": "+49 30 555 01 00", "agree-sales_contact-phone": "yes",
        "call_time": "mornings",
    }).text
    assert '<p class="lead" lang="en">We will call.</p>' in thanked


def test_c6_double_opt_in_one_mail_one_reminder_and_a_grant_only_by_post(world_everywhere: World) -> None:
    world = world_everywhere
    assert submit(world) == 200
    lead = world.one("select id from lead")
    assert world.status(lead, NURTURE) is ConsentStatus.PENDING
    assert world.status(lead, Purpose.PRIVACY_NOTICE) is ConsentStatus.GRANTED
    for _ in range(5):
        world.after(hours=1)
        assert submit(world) == 200
    keys = [row[0].split(":")[0] for row in world.rows("select key from outbox order by due_at")]
    assert keys == ["confirm", "remind"]
    link = confirm_link(world)
    assert world.client.head(link).status_code == 200
    page = world.client.get(link)
    assert (page.status_code, page.text.count("<button")) == (200, 1)
    assert world.status(lead, NURTURE) is ConsentStatus.PENDING
    confirmed = world.client.post(link)
    assert (confirmed.status_code, confirmed.text.count("<button")) == (200, 0) and "Thank you" in confirmed.text
    assert world.status(lead, NURTURE) is ConsentStatus.GRANTED
    assert world.one("select state from outbox where key like 'remind:%'") == "failed"
    assert world.client.post(link).status_code == 404
    assert world.one("select count(*) from consent_entry where action = 'confirm'") == 1


def test_c6_the_confirmation_mail_is_nothing_but_the_question(world: World) -> None:
    submit(world)
    payload = str(world.one("select payload from outbox where key like 'confirm:%'"))
    links = re.findall(r"https?://[^\s\\\"]+", payload)
    assert len(links) == 1 and "/confirm/" in links[0]
    assert "<img" not in payload and "/o/" not in payload and "/c/" not in payload


def test_an_expired_confirmation_confirms_nothing(world: World) -> None:
    submit(world)
    lead = world.one("select id from lead")
    link = confirm_link(world)
    world.after(days=7, seconds=1)
    assert world.client.get(link).status_code == 404
    assert world.client.post(link).status_code == 404
    assert world.status(lead, NURTURE) is not ConsentStatus.GRANTED


def test_a_confirmation_after_a_withdrawal_confirms_nothing(world: World) -> None:
    submit(world)
    lead = world.one("select id from lead")
    link = confirm_link(world)
    world.after(minutes=1)
    world.client.post(world.url("unsubscribe", 0, lead))
    world.after(minutes=1)
    world.client.post(link)
    assert world.status(lead, NURTURE) is ConsentStatus.WITHDRAWN


def test_required_boxes_and_fields_are_asked_for_and_what_was_typed_stays(world: World) -> None:
    answer = world.client.post(
        "/forms/guide", data={"email": "not an address", "first_name": '"><svg onload=alert(1)>'}
    )
    assert answer.status_code == 422
    assert "Without this we cannot go on." in answer.text
    assert "not an address" in answer.text
    assert "<svg" not in answer.text and "&lt;svg" in answer.text
    assert world.one("select count(*) from lead") == 0


def test_a_known_and_an_unknown_address_get_the_same_answer(world: World) -> None:
    world.lead("known@example.com", fields={"first_name": "Kay"})
    one = world.client.post("/forms/guide", data={"email": "known@example.com", **TICKED})
    two = world.client.post("/forms/guide", data={"email": "fresh@example.com", **TICKED})
    assert (one.status_code, one.text) == (two.status_code, two.text)


def test_a_stranger_fills_what_is_empty_and_never_overwrites(world: World) -> None:
    lead = world.lead("known@example.com", fields={"first_name": "Kay"})
    submit(world, "known@example.com", company="Typed Ltd")
    fields = str(world.one("select fields from lead where id = :i", i=lead))
    assert "Kay" in fields and "Typed Ltd" in fields and "Ada" not in fields


def test_progressive_questions_come_two_at_a_time_once_the_others_are_known(world: World) -> None:
    lead = world.lead("known@example.com")
    token = world.url("preferences", 0, lead).removeprefix("/p/")
    first = world.client.get(f"/forms/guide?t={token}")
    assert "First name" in first.text and "Company" not in first.text and "Work e-mail" not in first.text
    world.client.post(f"/forms/guide?t={token}", data={"first_name": "Kay", **TICKED})
    second = world.client.get(f"/forms/guide?t={token}")
    assert "Company" in second.text and "Employees" in second.text and "Devices" not in second.text
    assert "k…@example.com" in second.text and "known@example.com" not in second.text
    assert "agree-privacy_notice" not in second.text


def test_the_hidden_field_is_a_trap(world: World) -> None:
    assert submit(world, website="http://spam.example") == 200
    assert world.one("select count(*) from lead") == 0


def test_may_we_call_grants_sales_contact_by_phone_and_raises_a_hand(world: World) -> None:
    data = {
        "email": "ada@example.com",
        "phone": "+48 22 555 01 23",
        "call_time": "mornings",
        "agree-sales_contact-phone": "yes",
    }
    assert world.client.post("/forms/call", data=data).status_code == 200
    lead = world.one("select id from lead")
    assert world.status(lead, Purpose.SALES_CONTACT, PHONE) is ConsentStatus.GRANTED
    assert world.status(lead, Purpose.SALES_CONTACT) is ConsentStatus.NONE
    assert {row[0] for row in world.rows("select kind from event")} == {"form", "hand_raise"}
    assert "+48 22 555 01 23" in str(world.one("select fields from lead"))


def test_hostile_fields_are_refused_or_shown_as_text(world: World) -> None:
    for bad in (
        "=?utf-8?q?evil=40x=2c?=@example.com",
        "a@b@c",
        "a b@example.com",
        "x" * 300 + "@example.com",
        "a@exa\nmple.com",
    ):
        assert submit(world, bad) == 422
    assert submit(world, "fine@example.com", employees="many") == 422
    assert submit(world, "fine@example.com", device_kind="<script>") == 422
    assert submit(world, "fine@example.com", first_name="A\x00\u202eda\r\nBcc: x@y.z") == 200
    stored = str(world.one("select fields from lead"))
    assert "\\r" not in stored and "\\u202e" not in stored and "\\u0000" not in stored


def test_the_preference_centre_turns_on_and_off_with_a_wording_each(world_everywhere: World) -> None:
    world = world_everywhere
    lead = world.lead()
    world.grant(lead, NURTURE, Purpose.NEWSLETTER)
    world.grant(lead, Purpose.SALES_CONTACT, channel=PHONE)
    url = world.url("preferences", 0, lead)
    page = world.client.get(url)
    assert page.status_code == 200 and "ada@example.com" not in page.text
    world.after(minutes=1)
    saved = world.client.post(
        url,
        data={
            "shown": "1",
            "on-nurture_email": "yes",
            "on-click_tracking": "yes",
            "topic": ["events"],
            "often": "2",
            "pause": "30",
            "language": "de",
            "sales-phone": "yes",
        },
    )
    assert saved.status_code == 200 and saved.headers["content-language"] == "de"
    assert [
        world.status(lead, p) for p in (NURTURE, Purpose.NEWSLETTER, Purpose.CLICK_TRACKING, Purpose.OPEN_TRACKING)
    ] == [
        ConsentStatus.GRANTED,
        ConsentStatus.WITHDRAWN,
        ConsentStatus.GRANTED,
        ConsentStatus.NONE,
    ]
    assert world.status(lead, Purpose.SALES_CONTACT, Channel.PHONE) is ConsentStatus.GRANTED
    row = world.rows("select topics_off, mails_per_month, language from lead")[0]
    assert ("guides" in str(row[0]), "events" in str(row[0]), row[1], row[2]) == (True, False, 2, "de")
    grant = world.rows("select wording, wording_sha from consent_entry where purpose = 'click_tracking'")[0]
    assert grant[0] == "built-in-click_tracking.1.en" and len(grant[1]) == 64


def test_saving_the_same_preferences_again_writes_nothing(world: World) -> None:
    lead = world.lead()
    url = world.url("preferences", 0, lead)
    for _ in range(3):
        world.client.post(url, data={"shown": "1", "on-newsletter": "yes", "topic": ["guides", "events", "letter"]})
        world.after(minutes=1)
    assert world.one("select count(*) from consent_entry") == 1


def test_c9_no_more_marketing_objects_to_all_of_it_and_stops_scoring(world: World) -> None:
    lead = world.lead()
    world.grant(lead, NURTURE, Purpose.PROFILING)
    world.client.post(world.url("preferences", 0, lead), data={"object": "1"})
    for purpose in (NURTURE, Purpose.NEWSLETTER, Purpose.COMMERCIAL_OFFERS, Purpose.PROFILING, Purpose.SALES_CONTACT):
        assert world.status(lead, purpose) is ConsentStatus.OBJECTED
    assert world.status(lead, Purpose.SALES_CONTACT, PHONE) is ConsentStatus.OBJECTED
    assert bool(world.one("select objected from lead"))


def test_a_break_ends_by_itself_or_by_hand(world: World) -> None:
    lead = world.lead()
    url = world.url("preferences", 0, lead)
    world.client.post(url, data={"shown": "1", "pause": "90"})
    assert "Paused until" in world.client.get(url).text
    world.client.post(url, data={"shown": "1", "pause": "keep"})
    assert "Paused until" in world.client.get(url).text
    world.client.post(url, data={"shown": "1", "pause": "none"})
    assert "Paused until" not in world.client.get(url).text
    world.client.post(url, data={"shown": "1", "pause": "30"})
    world.clock.advance(timedelta(days=31))
    assert "Paused until" not in world.client.get(url).text


def test_what_was_given_in_exchange_is_kept(world: World) -> None:
    """S1-03: data for access to something; the event says to what, about what, and how deep."""
    submit(world)
    kept = world.rows("select kind, content, topic, depth from event where content = 'guide-pdf'")
    assert kept and all(row[1:] == ("guide-pdf", "guides", "awareness") for row in kept), kept


def test_a_form_tells_a_stranger_nothing_about_whom_we_know(world: World) -> None:
    """Known and agreed, known and silent, waiting, erased, new: one page, byte by byte, in the asker's words."""
    agreed = world.lead("agreed@example.com", language="pl", fields={"first_name": "Ada"})
    world.grant(agreed, Purpose.NURTURE_EMAIL, Purpose.PRIVACY_NOTICE)
    world.lead("silent@example.com", language="de")
    gone = world.lead("erased@example.com")
    privacy.erase(world.parts, gone, by="person", now=world.clock.now())
    ticks = {"agree-privacy_notice-email": "y", "agree-nurture_email-email": "y"}
    answers = set()
    for name in ("agreed", "silent", "erased", "new", "new", "agreed"):
        answer = world.client.post("/forms/guide", data={"email": f"{name}@example.com", **ticks})
        told = {key: value for key, value in answer.headers.items() if key != "date"}
        answers.add((answer.status_code, answer.content, tuple(sorted(told.items()))))
    assert len(answers) == 1
    assert "Unless this address has confirmed it before" in answer.text
    assert world.rows("select count(*) from outbox where target = 'agreed@example.com'") == [(0,)]


def test_c8_who_comes_back_by_their_own_confirmation_is_written_to_again(world: World) -> None:
    """An erased address stays blocked against lists; the person's newer yes, by a mail to that address, lifts it."""
    lead = world.lead("ada@example.com")
    privacy.erase(world.parts, lead, by="person", now=world.clock.now())
    world.client.post(
        "/forms/guide",
        data={"email": "ada@example.com", "agree-privacy_notice-email": "y", "agree-nurture_email-email": "y"},
    )
    blocked = "select count(*) from suppression where lifted_at is null"
    assert world.one(blocked) == 1
    text_ = str(world.one("select payload from outbox where key like 'confirm:%'"))
    link = text_.split("http://testserver")[1].split("\\n")[0]
    assert world.client.get(link).status_code == 200 and world.one(blocked) == 1
    assert world.client.post(link).status_code == 200 and world.one(blocked) == 0
