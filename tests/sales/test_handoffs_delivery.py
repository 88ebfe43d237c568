"""How a packet reaches sales, and that nothing a stranger wrote acts on the way."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from nurture.assembly import assemble
from nurture.errors import NurtureError, UsageError
from nurture.model.company import Queue, Sales, Seller
from nurture.model.outside import CrmAdapter, Outside
from nurture.model.tokens import TokenPurpose, verify
from nurture.sales import assign, delivery, packet, webhook
from nurture.settings import Settings
from nurture.stages import opening
from nurture.store import Store, open_store
from nurture.store.sales import handoffs
from nurture.store.tables import OutboxRow
from tests.sales.world import AGREEMENT, GOOD, KEYS, SALES, SEED, WEBINAR, add_lead, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0"
EVIL = "=HYPERLINK(\"https://evil.example\",\"click\")"


class Listener:
    """A real HTTP server that keeps what it was sent and answers as told."""

    def __init__(self, status: int) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@contextmanager
def listening(status: int = 204) -> Iterator[Listener]:
    listener = Listener(status)
    thread = threading.Thread(target=listener.server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        listener.server.shutdown()
        listener.server.server_close()
        thread.join()


def handed_over(store: Store, sales: Sales = SALES, **fields: Any) -> handoffs.Handoff:
    who = add_lead(store, now=NOW, fields={**GOOD, **fields})
    happened(store, who, *SEED, (WEBINAR[0], WEBINAR[1], {**WEBINAR[2], "topic": "mdm"}), now=NOW)
    tick(parts(store, sales=sales), now=NOW)
    with store.read() as conn:
        found = handoffs.open_of(conn, who)
    assert found is not None
    return found


def outbox(store: Store) -> list[Any]:
    with store.read() as conn:
        return list(conn.execute(select(OutboxRow.__table__).order_by(OutboxRow.__table__.c.id)))


def test_a_packet_goes_every_way_its_queue_names_once(store: Store) -> None:
    ways = (
        {"mail": "owner"},
        {"mail": "manager"},
        {"webhook": "https://crm.example.com/hook"},
        {"csv": "sales"},
        {"crm": "our"},
    )
    queue = Queue("inside", "Inside", ("jana",), manager="dana", deliver=ways)
    found = handed_over(store, Sales(SALES.sellers, {"inside": queue}, "inside"))
    rows = outbox(store)
    assert [(r.kind, r.target) for r in rows] == [
        ("staff_mail", "jana@example.com"), ("staff_mail", "dana@example.com"),
        ("webhook", "https://crm.example.com/hook"), ("csv", "sales"), ("crm", "our"),
    ]
    assert rows[0].subject == "Anna Nowak, Acme: cell A2" and rows[0].handoff_id == found.id
    link = next(line for line in rows[0].payload["text"].splitlines() if "/handoff/" in line)
    assert verify(KEYS, TokenPurpose.HANDOFF, link.rpartition("/")[2]) == (found.id, 0)


def test_the_packet_says_everything_sales_needs(store: Store) -> None:
    """§4."""
    found = handed_over(store, need="40 phones", phone="+48 600 000 000").packet
    assert found["identity"]["origins"]["company"] == "declared"
    assert [c["channel"] for c in found["may_use"]] == ["email"] and found["may_use"][0]["consent_entry"] == 7
    assert found["score"]["cell"] == "A2" and len(found["for"]) == 5 and len(found["gate"]) == 15
    assert sum(line["points"] for line in found["for"]) <= found["score"]["engagement"]
    assert found["moments"][0]["what"] == "webinar_attended" and len(found["moments"]) <= 10
    assert found["needs"] == {"need": "40 phones"} and found["agreement_version"] == 4
    text = packet.text(found, link="https://x.example/handoff/t")
    assert "Decide by Monday 23 November 2026, 14:00 (Europe/Warsaw)." in text
    assert "+29.8  webinar attended" in text and "22 Nov 2026  webinar attended" in text
    assert found["topics"] == [{"topic": "mdm", "times": 1}], "what they are interested in reaches sales (S0-26)"


def test_every_seller_reads_times_of_their_own(store: Store) -> None:
    sellers = SALES.sellers | {"jana": replace(SALES.sellers["jana"], timezone="America/New_York")}
    queue = Queue("inside", "Inside", ("jana",), manager="dana", deliver=({"mail": "owner"}, {"mail": "manager"}))
    sales = Sales(sellers, {"inside": queue}, "inside")
    handed_over(store, sales)
    tick(parts(store, sales=sales), now=NOW + timedelta(hours=5), rounds=1)
    mails = {row.target: row for row in outbox(store) if row.key.startswith("packet/")}
    assert "Decide by Monday 23 November 2026, 08:00 (America/New_York)." in mails["jana@example.com"].payload["text"]
    assert "Decide by Monday 23 November 2026, 14:00 (Europe/Warsaw)." in mails["dana@example.com"].payload["text"]
    reminder = next(row for row in outbox(store) if row.key.startswith("sla/"))
    assert "It was due on Monday 23 November 2026, 08:00 (America/New_York)." in reminder.payload["text"]
    assert reminder.subject == "A lead waits for you: Anna Nowak, Acme"


def test_names_are_data_and_never_a_header_a_formula_or_a_line(store: Store) -> None:
    found = handed_over(store, first_name=EVIL, last_name="x\r\nBcc: all@example.com", company="@SUM(1)")
    row = outbox(store)[0]
    assert "\r" not in row.subject and "\n" not in row.subject
    values = delivery.csv_values(found.id, "jana", found.packet, "https://x.example")
    text = delivery.csv_text([values], header=True)
    read = next(csv.DictReader(io.StringIO(text)))
    assert read["first_name"].startswith("'=") and read["company"] == "'@SUM(1)" and read["email"] == "anna@example.org"
    for start in ("=1", "+1", "-1", "@x", "\t=1", "\r=1"):
        assert delivery.safe_cell(start).startswith("'")


def test_csv_files_stay_in_their_folder(tmp_path: Path) -> None:
    outside = Outside(packets=tmp_path)
    payload = {"row": dict.fromkeys(delivery.CSV_COLUMNS, "x")}
    for _ in range(2):
        assert delivery.deliver("csv", "out", payload, key="k", now=NOW, outside=outside)[0] == "done"
    assert len((tmp_path / "out" / "handoffs-2026-11-23.csv").read_text().splitlines()) == 3
    for elsewhere in ("../elsewhere", "/etc"):
        with pytest.raises(UsageError):
            delivery.deliver("csv", elsewhere, payload, key="k", now=NOW, outside=outside)


def test_a_webhook_is_signed_so_that_the_other_side_can_tell() -> None:
    now = datetime.now(UTC)  # the receiver's own clock decides whether a signature is fresh
    with listening() as hook:
        outside = Outside(webhook_secret=SECRET, private_webhooks=True)
        state, said = delivery.deliver("webhook", hook.url, {"type": "handoff.opened", "n": 1}, key="packet/1", now=now,
                                       outside=outside)
    assert (state, said.split()[0]) == ("done", "204")
    headers, body = hook.requests[0]
    assert Webhook(SECRET).verify(body, headers) == {"type": "handoff.opened", "n": 1}
    assert headers["webhook-id"] == "packet/1"
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(body + b" ", headers)


@pytest.mark.parametrize(
    ("status", "state"), [(200, "done"), (302, "failed"), (404, "failed"), (429, "deferred"), (503, "deferred")]
)
def test_what_the_other_side_answers_decides_what_follows(status: int, state: str) -> None:
    with listening(status) as hook:
        assert webhook.post(hook.url, b"{}", {}, private=True)[0] == state
    assert len(hook.requests) == 1, "a redirect is not followed"


def test_nobody_there_is_tried_again() -> None:
    assert webhook.post("http://127.0.0.1:9/x", b"{}", {}, private=True)[0] == "deferred"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://[::ffff:127.0.0.1]/x",
        "https://user:pw@example.com/x",
        "ftp://example.com",
        "https://0.0.0.0/x",
    ],
)
def test_a_webhook_never_leads_into_our_own_network(url: str) -> None:
    with pytest.raises(NurtureError):
        webhook.post(url, b"{}", {})


CRM = """
class OurCrm:
    def __init__(self):
        self.records = {}

    def hand_over(self, packet, *, key):
        return self.records.setdefault(key, "hand-over " + packet["type"])

    def convert(self, report, *, key):
        return self.records.setdefault(key, "conversion")
"""


def test_a_crm_comes_with_a_package_and_a_missing_one_is_said(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "our_crm-1.dist-info"
    packed.mkdir()
    (packed / "METADATA").write_text("Metadata-Version: 2.1\nName: our-crm\nVersion: 1\n")
    (packed / "entry_points.txt").write_text("[nurture.crm]\nour = our_crm:OurCrm\n")
    (tmp_path / "our_crm.py").write_text(CRM)
    monkeypatch.syspath_prepend(tmp_path)
    outside = assemble(open_store(sqlite_url), Settings(secret_key=SecretStr("x" * 40))).outside
    assert isinstance(outside.crm["our"], CrmAdapter)
    opened, converted = {"type": "handoff.opened"}, {"type": "lead.converted"}
    told = [
        delivery.deliver("crm", "our", what, key=key, now=NOW, outside=outside)
        for what, key in ((opened, "k1"), (opened, "k1"), (converted, "k2"))
    ]
    assert told == [("done", "hand-over handoff.opened")] * 2 + [("done", "conversion")]
    with pytest.raises(UsageError, match="no CRM adapter called `other`"):
        delivery.deliver("crm", "other", opened, key="k", now=NOW, outside=outside)


def load(most: int = 9, **open_: int) -> assign.Load:
    return assign.Load(open_, {}, most)


def give(
    queue: Queue, sales: Sales = SALES, *, at: datetime = NOW, busy: assign.Load | None = None, **more: Any
) -> str | None:
    return assign.assign(queue, sales, busy or load(), now=at, calendar=AGREEMENT.calendar, **more).owner


INSIDE = SALES.queues["inside"]


def test_turns_room_and_refusals_decide_who_gets_a_lead() -> None:
    later = datetime(2026, 11, 20, tzinfo=UTC)
    assert give(INSIDE, busy=assign.Load({}, {"jana": NOW, "piotr": later}, 9)) == "ola", "who never had one"
    assert give(INSIDE, busy=load(1, jana=1, piotr=1)) == "ola"
    assert give(INSIDE, busy=load(1, jana=1, piotr=1, ola=1)) is None
    assert give(INSIDE, before="piotr") == "piotr"
    assert give(INSIDE, before="piotr", refusals={"piotr": 2}) != "piotr", "after two refusals to another"
    assert give(INSIDE, not_to=("jana", "piotr")) == "ola"
    assert give(Queue("pool", "Pool", ("jana",), "pull")) is None


def test_deputies_stand_in_and_territories_hold() -> None:
    away = (("2026-11-20", "2026-11-30"),)
    sellers = {
        "a": Seller("a", "A", "a@example.com", away=away, deputy="b"),
        "b": Seller("b", "B", "b@example.com", away=away, deputy="c"),
        "c": Seller("c", "C", "c@example.com"),
        "d": Seller("d", "D", "d@example.com", away=away),
    }
    sales = Sales(sellers, {}, "q")
    queue = Queue("q", "Q", ("a", "c"), "territory", {"PL": "a", "CZ": "d"})
    assert give(queue, sales, country="pl") == "c", "a's deputy is away, b's deputy is there"
    assert give(queue, sales, country="CZ") == "c", "nobody stands in for d: whose turn it is"
    back = datetime(2026, 12, 2, 9, tzinfo=UTC)
    assert give(queue, sales, country="PL", at=back) == "a"
    assert give(queue, sales, country="PL", at=back, not_to=("a",)) == "c", "who turned it away does not get it back"


def test_who_works_now_comes_before_who_sleeps() -> None:
    sellers = {
        "east": Seller("east", "E", "e@example.com", timezone="Asia/Tokyo"),
        "west": Seller("west", "W", "w@example.com", timezone="Europe/Prague"),
    }
    sales = Sales(sellers, {}, "q")
    queue = Queue("q", "Q", ("east", "west"))
    assert give(queue, sales) == "west"
    assert give(queue, sales, at=datetime(2026, 11, 24, 1, tzinfo=UTC)) == "east"


def test_a_seller_abroad_is_not_late_for_a_holiday_of_theirs(store: Store) -> None:
    """17 November is a holiday in Czechia and a working day in Poland, where the agreement's clocks run."""
    monday, tuesday = datetime(2026, 11, 16, 15, 0, tzinfo=UTC), datetime(2026, 11, 17, 10, 0, tzinfo=UTC)
    jana, piotr = replace(SALES.sellers["jana"], country="CZ"), SALES.sellers["piotr"]
    queue = replace(INSIDE, members=("jana", "piotr"))
    here = parts(store, sales=replace(SALES, sellers={"jana": jana, "piotr": piotr}, queues={"inside": queue}))
    leads = [add_lead(store, now=monday, email=f"a@{name}.example") for name in ("one", "two")]
    for lead in leads:
        happened(store, lead, *SEED, WEBINAR, now=monday)
    tick(here, now=monday)
    with store.read() as conn:
        made = {h.owner: h for h in (handoffs.open_of(conn, lead) for lead in leads) if h is not None}
    due = {who: h.due_at for who, h in made.items() if h.due_at is not None}
    assert due["jana"] - due["piotr"] == timedelta(days=1)
    later = due["piotr"] + timedelta(minutes=1)
    assert later.date() == tuesday.date() and tick(here, now=later)["reminded"] == 1, "piotr, and not jana"
    assert opening.on_holiday(here, now=tuesday) == {"jana"}
    assert give(queue, busy=assign.Load({}, {"piotr": monday}, 9), at=tuesday) == "jana"
    assert give(queue, busy=assign.Load({}, {"piotr": monday}, 9), at=tuesday, off={"jana"}) == "piotr"
    assert give(queue, busy=load(1, piotr=1), at=tuesday, off={"jana"}) == "jana", "better late than nobody"
