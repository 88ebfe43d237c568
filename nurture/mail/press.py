"""One step's mail in one language, set up once and then printed for one lead after another.

Says exactly what `render` says, for a fraction of its price; `render` stays for previews and is what this is tested
against.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from nurture.mail import headers
from nurture.mail.compile import CompiledCopy, CompiledMail
from nurture.mail.mime import boundary
from nurture.mail.precompiled import Sheet, Slots, own_addresses, precompile
from nurture.mail.render import Frame, Letter, display_name
from nurture.model import sandbox
from nurture.model.sandbox import CopyError

MOST: Final = 3 * sandbox.OUTPUT_LIMIT
"""Octets of a message; three times what a rendering may have."""


class Press:
    """`subject` is a variant's own (Jinja), instead of the copy's. Raises CopyError for copy that does not read."""

    def __init__(
        self,
        mail: CompiledMail,
        copy: CompiledCopy,
        frame: Frame,
        *,
        company: Mapping[str, str],
        campaign: Mapping[str, str],
        topic: Mapping[str, str],
        tracked: bool,
        subject: str | None = None,
    ) -> None:
        self.constants: dict[str, Any] = {
            "company": company,
            "sender": frame.sender,
            "campaign": campaign,
            "topic": topic,
            "language": copy.language,
            "links": {link.name: link.url for link in mail.links if link.name},
        }
        self.subject = precompile(subject or copy.subject_source, self.constants, html=False, encoded=False)
        self.preheader = precompile(copy.preheader_source, self.constants, html=False, encoded=False)
        inside = dict(self.constants)
        self._fixed = self.preheader.constant()
        if self._fixed is not None:
            inside["preheader"] = self._fixed
        face = copy.tracked if tracked else copy.plain
        self.html: Sheet = precompile(face.html, inside, html=True)
        self.text: Sheet = precompile(face.text, inside, html=False)
        self.tracked, self.bulk = tracked, frame.bulk
        self._shape(frame, boundary(mail.key))
        self._date: tuple[datetime | None, str] = (None, "")

    def _shape(self, frame: Frame, limit: str) -> None:
        part = 'Content-Type: text/{}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
        self._fields = "\r\n".join(
            [
                *frame.fields,
                "MIME-Version: 1.0",
                f'Content-Type: multipart/alternative; boundary="{limit}"',
                "",
                f"--{limit}",
                part.format("plain"),
            ]
        )
        self._between = f"\r\n\r\n--{limit}\r\n{part.format('html')}"
        self._end = f"\r\n\r\n--{limit}--\r\n"

    def print(self, letter: Letter) -> bytes:
        """The whole message for one lead. Raises CopyError where copy needs a word this lead does not have."""
        lead, own = letter.lead, letter.addresses
        values = {
            "unsubscribe_url": own.unsubscribe,
            "preferences_url": own.preferences,
            "reason": letter.reason,
            "click_url": own.click or "",
            "honeypot_url": own.honeypot or "",
            "pixel_url": own.pixel or "",
            "subject": "",
            "preheader": "",
        }

        def context() -> dict[str, Any]:
            made = {**self.constants, **values, "lead": {n: v for n, v in lead.items() if v not in (None, "")}}
            return {name: sandbox.plain(value) for name, value in made.items()}

        plain = Slots(values, dict(values))
        subject = values["subject"] = plain.encoded["subject"] = self.subject.fill(lead, plain, context)
        fixed = self._fixed
        values["preheader"] = self.preheader.fill(lead, plain, context) if fixed is None else fixed
        addresses = own_addresses(values, short=own.short)
        whole = [self._head(letter, subject), self._fields]
        self.text.put(whole, lead, self.text.slots(values, addresses), context)
        whole.append(self._between)
        self.html.put(whole, lead, self.html.slots(values, addresses), context)
        whole.append(self._end)
        raw = "".join(whole).encode("utf-8")
        if len(raw) > MOST:
            raise CopyError(f"it grows beyond {sandbox.OUTPUT_LIMIT} characters", code="template-too-large")
        return raw

    def _head(self, letter: Letter, subject: str) -> str:
        own = letter.addresses
        off = ""
        if self.bulk:
            off = f"List-Unsubscribe: <{own.unsubscribe}>,\r\n <mailto:{own.unsubscribe_mail}?subject=unsubscribe>\r\n"
        return (
            f"{headers.mailbox('To', display_name(letter.lead), letter.to)}\r\n"
            f"{headers.unstructured('Subject', subject)}\r\nDate: {self._dated(letter.now)}\r\n"
            f"Message-ID: {letter.message_id}\r\n{off}"
        )

    def _dated(self, now: datetime) -> str:
        known, text = self._date
        if known != now:
            text = format_datetime(now)
            self._date = (now, text)
        return text
