"""One message as bytes: header fields, then multipart/alternative with the text first."""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Sequence
from typing import Final

CRLF: Final = b"\r\n"
LONGEST_LINE: Final = 76


def quoted_printable(text: str) -> bytes:
    """Text with any line ends as quoted-printable lines of at most 76 octets, CRLF, with one at the end."""
    return b"\r\n".join(encoded_lines(text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n"))) + CRLF


def encoded_lines(text: str) -> list[bytes]:
    """Each line of text (LF) as one or more quoted-printable lines."""
    raw = text.replace("\n", "\r\n").encode("utf-8", "replace")
    # The encoder takes its line ends from the first one it meets; a lone CRLF in front settles that.
    lines = b2a_qp(CRLF + raw, istext=True).split(CRLF)[1:]
    if all(len(line) <= LONGEST_LINE for line in lines):
        return lines
    return [part for line in lines for part in cut(line, LONGEST_LINE)]


def cut(line: bytes, most: int) -> list[bytes]:
    """A quoted-printable line in pieces of at most `most` octets. The library makes lines too long where a blank at
    the end of a full one becomes `=20`; a cut never goes through an `=XX`."""
    if len(line) <= most:
        return [line]
    at = most - 1
    while b"=" in line[at - 2 : at]:
        at -= 1
    return [line[:at] + b"=", *cut(line[at:], most)]


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
    return b"".join(
        (
            head,
            b"\r\n\r\n--",
            mark,
            b'\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
            text,
            b"\r\n--",
            mark,
            b'\r\nContent-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
            html,
            b"\r\n--",
            mark,
            b"--\r\n",
        )
    )


def stuffed(raw: bytes) -> bytes:
    """The message as it stands after DATA: leading dots doubled, the final dot added (RFC 5321 4.5.2)."""
    if raw.startswith(b"."):
        raw = b"." + raw
    if b"\r\n." in raw:
        raw = raw.replace(b"\r\n.", b"\r\n..")
    return raw + (b".\r\n" if raw.endswith(CRLF) else b"\r\n.\r\n")
