"""One message as bytes: header fields, then multipart/alternative with the text first."""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Sequence
from typing import Final

CRLF: Final = b"\r\n"


def quoted_printable(text: str) -> bytes:
    """Text with any line ends as quoted-printable lines of at most 76 octets, CRLF, with one at the end."""
    lines = "\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n"))
    return b2a_qp(f"{lines}\r\n".encode("utf-8", "replace"), istext=True)


def boundary(digest: str) -> str:
    """A boundary that no quoted-printable body can contain: `=_` is not an escape."""
    return f"=_{digest[:24] or 'nurture'}"


def assemble(fields: Sequence[str], text: bytes, html: bytes, *, limit: str) -> bytes:
    """The whole message. `fields` are folded header fields without line ends; bodies are quoted-printable; `limit`
    is the boundary. Ends in CRLF, holds no bare CR or LF."""
    head = "\r\n".join(
        [*fields, "MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{limit}"']
    ).encode("utf-8")
    mark = limit.encode("ascii")
    return b"".join((
        head, b"\r\n\r\n--", mark,
        b'\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n', text,
        b"\r\n--", mark,
        b'\r\nContent-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n', html,
        b"\r\n--", mark, b"--\r\n",
    ))


def stuffed(raw: bytes) -> bytes:
    """The message as it stands after DATA: leading dots doubled, the final dot added (RFC 5321 4.5.2)."""
    if raw.startswith(b"."):
        raw = b"." + raw
    if b"\r\n." in raw:
        raw = raw.replace(b"\r\n.", b"\r\n..")
    return raw + (b".\r\n" if raw.endswith(CRLF) else b"\r\n.\r\n")
