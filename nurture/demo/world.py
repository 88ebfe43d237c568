"""The world outside the product: mail arrives, people act, and every act is a real request to the running web app."""

from __future__ import annotations

import heapq
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from nurture.clock import VirtualClock
from nurture.demo import letter as letters
from nurture.demo.mailbox import MailFolder
from nurture.demo.people import SCANNER, Act, Person, on_arrival, person, stranger
from nurture.demo.sample import SampleLead
from nurture.demo.site import fill, visit

DOORS = ("buyers-guide", "buyers-guide", "newsletter", "webinar", "compare-us", "buyers-guide", "demo-request", "trial")
WEBINAR_HOUR = 13
FLEETING = timedelta(minutes=2)
"""How long a person stays on a page before going on."""


class World:
    """`secret` signs what the company's site and webinar tool post; `done` counts what people did."""

    def __init__(
        self, clock: VirtualClock, mail: MailFolder, url: str, secret: str, seed: int, rows: Mapping[str, SampleLead]
    ) -> None:
        self.clock = clock
        self.mail = mail
        self.seed = seed
        self.rows = rows
        self.people: dict[str, Person] = {}
        self.done: Counter[str] = Counter()
        self.http = httpx.Client(base_url=url, follow_redirects=False, timeout=30)
        self._webhook = Webhook(secret)
        self._acts: list[tuple[datetime, int, Act]] = []
        self._numbers = itertools.count()
        self._calls = itertools.count(1)

    def close(self) -> None:
        self.http.close()

    def next_act(self) -> datetime | None:
        return self._acts[0][0] if self._acts else None

    def who(self, address: str) -> Person:
        if address not in self.people:
            self.people[address] = person(self.seed, address, self.rows.get(address))
        return self.people[address]

    def plan(self, act: Act) -> None:
        heapq.heappush(self._acts, (act.at, next(self._numbers), act))

    def invite_strangers(self, count: int, until: datetime) -> None:
        """People who come to the site by themselves, spread over the demo."""
        begin = self.clock.now()
        for number in range(1, count + 1):
            someone = stranger(self.seed, number)
            self.people[someone.email] = someone
            at = begin + (until - begin) * someone.chance.random() * 0.75
            door = DOORS[number % len(DOORS)]
            self.plan(Act(at.replace(hour=9, minute=number % 60), "form", someone.email, door))

    def receive(self) -> int:
        """Hand the mail that has arrived to its readers, in an order that does not depend on how it travelled."""
        arrived = [self.mail.delivered.popleft() for _ in range(len(self.mail.delivered))]
        for mail in sorted(arrived, key=lambda m: (m.recipient, m.raw.partition(b"Subject:")[2][:60])):
            if "@" not in mail.recipient or mail.recipient.endswith("@example.com"):
                continue  # the company's own people; the seller reads the list, not the reminders
            someone = self.who(mail.recipient.lower())
            for act in on_arrival(someone, letters.read(mail.recipient, mail.raw), self.clock.now()):
                self.plan(act)
        return len(arrived)

    def act_until(self, moment: datetime) -> None:
        """Everything people do up to `moment`, each at its own time. The clock ends where the last act was."""
        while self._acts and self._acts[0][0] <= moment:
            at, _, act = heapq.heappop(self._acts)
            if at > self.clock.now():
                self.clock.jump(at)
            self._do(act)
            self.done[act.what] += 1

    def _do(self, act: Act) -> None:
        someone = self.who(act.email)
        match act.what:
            case "picture":
                self._get(act.target, str(act.data.get("agent", someone.agent)))
            case "click":
                self._click(someone, act.target)
            case "scan":
                self._scan(act)
            case "unsubscribe" | "page_unsubscribe":
                self._unsubscribe(someone, act, by_page=act.what == "page_unsubscribe")
            case "confirm":
                self._get(act.target, someone.agent)
                self.http.post(_path(act.target), data={"confirm": "yes"}, headers=_as(someone.agent))
            case "visit":
                self._visit(someone, act.target, known=bool(act.data.get("known")))
            case "form":
                self._form(someone, act.target)
            case "attend":
                self._tell(
                    someone,
                    {
                        "kind": "webinar_attended",
                        "minutes": act.data["minutes"],
                        "content": "phones-in-order",
                        "topic": "rollout",
                        "depth": "consideration",
                        "touchpoint": "webinar",
                    },
                )
            case "event":
                self._tell(someone, {"kind": act.target})

    def _get(self, address: str, agent: str) -> httpx.Response:
        return self.http.get(_path(address), headers=_as(agent))

    def _click(self, someone: Person, address: str) -> None:
        """A link of ours leads to the company's site; a plain link goes there directly and nobody learns who came."""
        known = "/c/" in address
        if known:
            address = self._get(address, someone.agent).headers.get("location", "")
        if "/forms/" in address:
            self._form(someone, _path(address).removeprefix("/forms/"))
        elif address:
            self._visit(someone, urlsplit(address).path or "/", known=known)

    def _visit(self, someone: Person, path: str, *, known: bool) -> None:
        seen = visit(someone, path)
        if known:
            for event in seen.events:
                self._tell(someone, event)
        if seen.form is not None:
            self._form(someone, seen.form)
        elif seen.onward is not None:
            again = Act(self.clock.now() + FLEETING, "visit", someone.email, seen.onward, data={"known": int(known)})
            self.plan(again)

    def _form(self, someone: Person, form: str) -> None:
        page = self._get(f"/forms/{form}", someone.agent)
        if page.status_code != httpx.codes.OK:
            self.done["form not found"] += 1
            return
        sent = self.http.post(f"/forms/{form.split('?')[0]}", data=fill(page.text, someone), headers=_as(someone.agent))
        if sent.status_code >= httpx.codes.BAD_REQUEST:
            self.done["form not taken"] += 1
            return
        someone.forms.add(form)
        if form == "webinar" and someone.chance.random() < 0.45 + 0.5 * someone.interest:
            at = _next_webinar(self.clock.now())
            minutes = someone.chance.randint(22, 58)
            self.plan(Act(at + timedelta(minutes=minutes), "attend", someone.email, data={"minutes": minutes}))
        if form == "trial":
            self.plan(Act(self.clock.now() + timedelta(hours=20), "event", someone.email, "trial-started"))

    def _scan(self, act: Act) -> None:
        """A mail gateway looks at everything there is, faster than anybody could, before the person sees the mail."""
        letter = act.letter
        if letter is None:
            return
        for address in (letter.picture, *letter.links, letter.trap):
            if address is not None and ("/c/" in address or "/o/" in address or "/h/" in address):
                self._get(address, SCANNER)

    def _unsubscribe(self, someone: Person, act: Act, *, by_page: bool) -> None:
        way_out = act.letter.unsubscribe if act.letter else None
        if way_out is None:
            return
        if by_page:
            page = self._get(way_out, someone.agent).text
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
            self.http.post(_path(way_out), data={"page": "1", **hidden}, headers=_as(someone.agent))
        else:
            self.http.post(_path(way_out), data={"List-Unsubscribe": "One-Click"})

    def _tell(self, someone: Person, event: Mapping[str, str | int]) -> None:
        """The site or the webinar tool posts a fact, signed, under the visitor's address."""
        now = self.clock.now()
        number = next(self._calls)
        told = {"lead": someone.email, "at": now.isoformat(), "id": f"demo-{self.seed}-{number}", **event}
        body = json.dumps({"events": [told]})
        call = f"msg_{self.seed}_{number}"
        # The library reads a naive moment as local time: it wants one that knows its zone.
        signature = self._webhook.sign(call, now.astimezone(UTC), body)
        headers = {"webhook-id": call, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
        answer = self.http.post("/events", content=body, headers={**headers, "content-type": "application/json"})
        self.done["told" if answer.status_code == httpx.codes.OK else f"told, answered {answer.status_code}"] += 1


def _next_webinar(now: datetime) -> datetime:
    """Every second Tuesday, with at least a day to go."""
    day = (now + timedelta(days=1)).replace(hour=WEBINAR_HOUR, minute=0, second=0, microsecond=0)
    while day.weekday() != 1 or day.isocalendar().week % 2:
        day += timedelta(days=1)
    return day


def _path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _as(agent: str) -> dict[str, str]:
    return {"user-agent": agent}
