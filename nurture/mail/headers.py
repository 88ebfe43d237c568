"""Header fields as bytes that say what was meant and nothing else, whatever a lead calls itself.

The standard library's `EmailMessage` is not used: on several maintained versions it decodes encoded-words inside values
and prints the line breaks it finds there (a first name could add a Bcc), and it re-encodes long List-Unsubscribe URLs.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import idna

from nurture.errors import NurtureError

WIDTH: Final = 76
LONGEST_WORD: Final = 75
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PRINTABLE: Final = re.compile(r"[!-~]+(?: [!-~]+)*\Z")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_DOT_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_UTF8_TEXT: Final = r"[^\x00-\x20\x7f-\x9f()<>@,;:\\\"\[\].]+"
_UTF8_ATOM: Final = re.compile(rf"{_UTF8_TEXT}(?:\.{_UTF8_TEXT})*\Z")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


class BadAddress(NurtureError):
    """An address that no envelope or header may carry."""


def clean(text: str) -> str:
    """Text without control characters or line separators: each run becomes one space."""
    return text if text.isprintable() else _CONTROLS.sub(" ", text)


@lru_cache(maxsize=4096)
def unstructured(name: str, text: str) -> str:
    """The whole field `Name: text`, folded, without the last line break. Decodes to exactly `clean(text)`."""
    text = clean(text)
    room = len(name) + 2
    if not text:
        return f"{name}: "
    if _PRINTABLE.match(text) and "=?" not in text:
        if room + len(text) <= WIDTH:
            return f"{name}: {text}"
        folded = _fold(text, room)
        if folded is not None:
            return f"{name}: {folded}"
    return f"{name}: {encoded_words(text, room)}"


def _fold(text: str, used: int) -> str | None:
    """Fold at single spaces to at most 76 columns; None where a word is too long for that."""
    lines, line = [], ""
    for word in text.split(" "):
        if len(word) > WIDTH - 1:
            return None
        if line and used + len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def encoded_words(text: str, used: int) -> str:
    """RFC 2047 base64 words of whole characters, each at most 75 long, each on a line of at most 76."""
    overhead = len("=?utf-8?b??=")
    whole = text.encode("utf-8", "replace")
    if len(whole) <= _payload(min(LONGEST_WORD, WIDTH - used) - overhead):
        return f"=?utf-8?b?{b2a_base64(whole, newline=False).decode('ascii')}?="
    words, room = [], _payload(min(LONGEST_WORD, WIDTH - used) - overhead)
    while whole:
        end = min(room, len(whole))
        while end < len(whole) and whole[end] & 0xC0 == 0x80:
            # In the middle of a character.
            end -= 1
        words.append(whole[:end])
        whole, room = whole[end:], _payload(LONGEST_WORD - overhead)
    return "\r\n ".join(f"=?utf-8?b?{b2a_base64(w, newline=False).decode('ascii')}?=" for w in words)


def _payload(columns: int) -> int:
    """How many octets fit into `columns` of base64."""
    return max(columns // 4 * 3, 12)


def mailbox(name: str, display: str, address: str) -> str:
    """The whole field `Name: Display <address>`; `address` must have come through `mailable`."""
    display = clean(display).strip()
    if not display:
        return f"{name}: {address}"
    phrase = _phrase(display, len(name) + 2)
    last = phrase.rsplit("\r\n", 1)[-1]
    used = len(last) + (0 if "\r\n" in phrase else len(name) + 2)
    space = " " if used + len(address) + 3 <= WIDTH else "\r\n "
    return f"{name}: {phrase}{space}<{address}>"


def _phrase(display: str, used: int) -> str:
    if not display.isascii() or "=?" in display or used + len(display) + 2 > WIDTH:
        return encoded_words(display, used)
    if _ATOMS.match(display):
        return display
    return '"' + display.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mailable(address: str) -> tuple[str, bool]:
    """The address for header and envelope, its domain as A-labels, and whether it needs SMTPUTF8.

    Raises BadAddress for anything that is not a plain dot-atom at a domain name: quoted local parts, `=?` (which
    parsers decode into other addresses), controls, more than 64 or 254 octets.
    """
    local, at, domain = address.strip().rpartition("@")
    utf8 = not local.isascii()
    if not at or not local or "=?" in address or len(local.encode("utf-8", "replace") if utf8 else local) > 64:
        raise BadAddress(f"`{clean(address)[:80]}` is not an address a mail can be sent to.")
    if not (_UTF8_ATOM if utf8 else _DOT_ATOM).match(local):
        raise BadAddress(f"`{clean(address)[:80]}` is not an address a mail can be sent to.")
    domain = ascii_domain(domain)
    whole = f"{local}@{domain}"
    if len(whole.encode("utf-8", "replace") if utf8 else whole) > 254:
        raise BadAddress("The address is longer than 254 octets.")
    return whole, utf8


@lru_cache(maxsize=8192)
def ascii_domain(domain: str) -> str:
    """A domain as A-labels (`xn--...`), lower case. Raises BadAddress."""
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise BadAddress(f"`{clean(domain)[:80]}` is not a domain name.") from None
    if not _DOMAIN.match(domain):
        raise BadAddress(f"`{clean(domain)[:80]}` is not a domain name.")
    return domain.lower()


def parse_mailbox(text: str) -> tuple[str, str]:
    """`Ines at Acme <ines@example.com>` as (display, address), checked. Raises BadAddress."""
    display, bracket, rest = text.strip().rpartition("<")
    if bracket and rest.endswith(">"):
        return display.strip().strip('"'), mailable(rest[:-1])[0]
    return "", mailable(text)[0]


def message_id(
    row: int, lead_id: int, campaign: str, run: int, step: str, *, domain: str, secret: bytes = b""
) -> str:
    """The Message-ID of one step for one lead: the same on every retry, without saying who it is.

    The number of its row stands in front so that the index over these grows at its end, whatever the hash says. With
    a `secret` (32 bytes) nobody but the recipient's side can name it, so that a report which does may be believed.
    """
    seed = f"{lead_id}/{campaign}/{run}/{step}/{domain}".encode()
    return f"<{row:010x}.{blake2b(seed, digest_size=12, key=secret, person=b'nurture msg-id').hexdigest()}@{domain}>"
