"""Staff pages: nobody without a session, nobody beyond their role, no form from elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert

from nurture.model.company import Queue, Sales, Seller
from nurture.store.running import sessions
from nurture.store.tables import AlertRow, EventRow, HandoffRow, TransitionRow
from nurture.web.staff import signin
from tests.web.conftest import World

PASSWORD = "a long enough password"
PAGES = ["/", "/campaigns", "/queue", "/queue?done=true", "/leads", "/leads/1"]


HASH = signin.hash_password(PASSWORD)


def user(world: World, name: str, *roles: str) -> None:
    now = world.clock.now()
    with world.store.begin() as conn:
        sessions.put_user(conn, name, address=f"{name}@example.com", name=name.title(), roles=roles, now=now)
        sessions.set_password(conn, name, HASH, now=now)


def sign_in(world: World, name: str, password: str = PASSWORD) -> int:
    """Through the page, with all that a password costs."""
    data = {"address": f"{name}@example.com", "password": password}
    return world.client.post("/sign-in", data=data).status_code


def enter(world: World, name: str) -> None:
    """Straight to a session."""
    secret = f"session-{name}-{world.one('select count(*) from session')}"
    with world.store.begin() as conn:
        sessions.open_session(conn, name, secret, now=world.clock.now())
    world.client.cookies.clear()
    world.client.cookies.set("nurture_session", secret)


def handoff(world: World, lead: int, *, queue: str, owner: str | None = None) -> None:
    with world.store.begin() as conn:
        conn.execute(
            insert(HandoffRow).values(lead_id=lead, queue=queue, owner=owner, opened_at=world.clock.now(), packet={})
        )


@pytest.fixture
def office(world: World) -> World:
    world.parts.library = world.parts.library.__class__(
        **{
            **{n: getattr(world.parts.library, n) for n in world.parts.library.__dataclass_fields__},
            "sales": Sales(
                sellers={n: Seller(n, n.title(), f"{n}@example.com") for n in ("iva", "ota")},
                queues={"east": Queue("east", "East", ("iva",)), "west": Queue("west", "West", ("ota",))},
                default_queue="east",
            ),
        }
    )
    return world


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_staff_page_without_a_session(world: World, path: str) -> None:
    answer = world.client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?to=/")


def test_everybody_with_the_role_sees_the_pages(office: World) -> None:
    lead = office.lead(fields={"first_name": '"><svg onload=alert(1)>', "company": "{{ 7*7 }}"})
    handoff(office, lead, queue="east")
    with office.store.begin() as conn:
        conn.execute(
            insert(AlertRow).values(key="k", code="x", text="<script>alert(1)</script>", at=office.clock.now())
        )
    user(office, "ines", "marketing")
    enter(office, "ines")
    for path in PAGES:
        answer = office.client.get(path)
        assert answer.status_code == 200, path
        assert "<svg onload" not in answer.text and "<script" not in answer.text and "49" not in answer.text
    assert "&lt;script&gt;" in office.client.get("/").text
    assert office.client.get("/leads?q=ada@example.com").text.count('href="/leads/') == 1
    assert office.client.get("/leads?q=' or 1=1 --").text.count('href="/leads/') == 0


def test_a_seller_sees_only_what_came_to_them(office: World) -> None:
    mine, theirs, nobodys = (office.lead(f"l{i}@example.com", fields={"first_name": f"Person{i}"}) for i in range(3))
    handoff(office, mine, queue="east")
    handoff(office, theirs, queue="west")
    user(office, "iva", "sales")
    enter(office, "iva")
    queue = office.client.get("/queue").text
    assert "Person0" in queue and "Person1" not in queue
    assert office.client.get(f"/leads/{mine}").status_code == 200
    assert office.client.get(f"/leads/{theirs}").status_code == 404
    assert office.client.get(f"/leads/{nobodys}").status_code == 404
    assert office.client.get("/leads").status_code == 403
    assert office.client.get("/campaigns").status_code == 403


def test_a_wrong_password_an_unknown_address_and_a_disabled_user_get_one_answer(world: World) -> None:
    user(world, "ines", "marketing")
    user(world, "gone", "marketing")
    with world.store.begin() as conn:
        sessions.disable(conn, "gone", now=world.clock.now())
    answers = {
        (a.status_code, a.text)
        for a in (
            world.client.post("/sign-in", data={"address": "ines@example.com", "password": "wrong"}),
            world.client.post("/sign-in", data={"address": "nobody@example.com", "password": PASSWORD}),
            world.client.post("/sign-in", data={"address": "gone@example.com", "password": PASSWORD}),
        )
    }
    assert len(answers) == 1 and next(iter(answers))[0] == 401


def test_nobody_is_signed_in_by_another_site(world: World) -> None:
    user(world, "ines", "marketing")
    data = {"address": "ines@example.com", "password": PASSWORD}
    assert world.client.post("/sign-in", data=data, headers={"origin": "https://evil.example"}).status_code == 403
    assert world.client.post("/sign-in", data=data, headers={"origin": "http://testserver"}).status_code == 303


def test_guessing_one_account_is_slowed_down(world: World) -> None:
    user(world, "ines", "marketing")
    codes = [sign_in(world, "ines", "wrong guess") for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2
    assert sign_in(world, "ines") == 429
    world.after(minutes=11)
    assert sign_in(world, "ines") == 303


def test_a_new_password_ends_every_session_and_api_token(world: World) -> None:
    user(world, "ines", "marketing")
    enter(world, "ines")
    assert world.client.get("/").status_code == 200
    with world.store.begin() as conn:
        sessions.open_session(conn, "ines", "an api token", now=world.clock.now(), kind="api")
        sessions.set_password(conn, "ines", signin.hash_password("another long password"), now=world.clock.now())
        assert sessions.who(conn, "an api token", now=world.clock.now(), kind="api") is None
    assert world.client.get("/").status_code == 303


def test_signing_in_again_makes_a_fresh_session_and_closes_the_old_one(world: World) -> None:
    user(world, "ines", "marketing")
    sign_in(world, "ines")
    first = world.client.cookies["nurture_session"]
    sign_in(world, "ines")
    second = world.client.cookies["nurture_session"]
    assert first != second
    world.client.cookies.clear()
    for session, status in ((first, 303), (second, 200)):
        world.client.cookies.set("nurture_session", session)
        assert world.client.get("/").status_code == status
        world.client.cookies.clear()


def test_sessions_end_by_idleness_and_by_age(world: World) -> None:
    user(world, "ines", "marketing")
    enter(world, "ines")
    for _ in range(15):
        world.after(hours=11)
        assert world.client.get("/").status_code == 200
    world.after(hours=4)
    assert world.client.get("/").status_code == 303
    enter(world, "ines")
    world.after(hours=13)
    assert world.client.get("/").status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    user(world, "ines", "marketing")
    answer = world.client.post("/sign-in", data={"address": "ines@example.com", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    stored = world.one("select token_hash from session")
    assert stored not in cookie


def test_a_post_without_the_csrf_token_or_from_another_site_is_refused(world: World) -> None:
    user(world, "ines", "marketing")
    enter(world, "ines")
    csrf = re.search(r'name="csrf" value="(\w+)"', world.client.get("/").text).group(1)
    assert world.client.post("/sign-out", data={}).status_code == 403
    assert world.client.post("/sign-out", data={"csrf": "0" * 40}).status_code == 403
    evil = world.client.post("/sign-out", data={"csrf": csrf}, headers={"origin": "https://evil.example"})
    assert evil.status_code == 403
    assert world.client.get("/").status_code == 200
    assert world.client.post("/sign-out", data={"csrf": csrf}).status_code == 303
    assert world.client.get("/").status_code == 303


def test_the_one_time_link_of_the_demo_works_once_and_only_by_post(world: World) -> None:
    link = signin.demo_link(world.parts, now=world.clock.now()).removeprefix("http://testserver")
    assert world.client.head(link).status_code == 200
    assert world.client.get(link).status_code == 200
    assert world.client.get("/").status_code == 303
    assert world.client.post(link).status_code == 303
    assert world.client.get("/").status_code == 200
    world.client.cookies.clear()
    assert world.client.post(link).status_code == 404


def test_a_mailed_link_runs_out_and_unknown_addresses_get_the_same_page(world: World) -> None:
    user(world, "ines", "marketing")
    one = world.client.post("/sign-in", data={"address": "ines@example.com", "link": "1", "to": "/queue"})
    two = world.client.post("/sign-in", data={"address": "nobody@example.com", "link": "1", "to": "/queue"})
    assert one.text == two.text
    assert world.one("select count(*) from outbox") == 1
    link = re.search(r"http://testserver(/sign-in/\S+?)\\n", str(world.one("select payload from outbox")))
    assert link is not None
    assert world.client.post(link.group(1)).headers["location"] == "/queue"
    world.client.post("/sign-in", data={"address": "ines@example.com", "link": "1"})
    late = re.search(
        r"http://testserver(/sign-in/\S+?)\\n", str(world.rows("select payload from outbox order by id")[-1][0])
    )
    world.clock.advance(timedelta(minutes=21))
    assert late is not None and world.client.post(late.group(1)).status_code == 404


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "/\nhttps://evil.example",
    ],
)
def test_signing_in_never_leads_off_the_house(world: World, to: str) -> None:
    user(world, "ines", "marketing")
    answer = world.client.post("/sign-in", data={"address": "ines@example.com", "password": PASSWORD, "to": to})
    assert answer.headers["location"] == "/"


def test_the_first_page_says_the_rates_with_their_denominators_and_whose_view_they_are(office: World) -> None:
    """S2-23: a quarter of marketers do not know theirs. S1-17, S4-15: whose view; people once per cycle."""
    for n in range(4):
        office.lead(f"p{n}@example.com")
    moves = (("mql", 1), ("mql", 2), ("mql", 2), ("sal", 1), ("sql", 1), ("customer", 1))
    with office.store.begin() as conn:
        for n, (stage, lead) in enumerate(moves):
            conn.execute(insert(TransitionRow).values(
                key=f"k{n}", lead_id=lead, cycle=1, rule="T", from_stage="x", to_stage=stage, trigger="t",
                actor_kind="system", occurred_at=office.clock.now(), recorded_at=office.clock.now(),
            ))
        conn.execute(insert(EventRow).values(
            key="e", lead_id=3, kind="crm_mql", occurred_at=office.clock.now(), recorded_at=office.clock.now()
        ))
    user(office, "iva", "sales")
    enter(office, "iva")
    said = re.sub(r"<[^>]+>|\s+", " ", office.client.get("/").text)
    said = re.sub(r" +", " ", said)
    assert "handed over to sales 75.0 % 3 of 4, all acquired marketing" in said
    assert "accepted by sales 33.3 % 1 of 3, those handed over sales" in said
    assert "won 33.3 % 1 of 3, those handed over both" in said and "won 25.0 % 1 of 4, all acquired both" in said
