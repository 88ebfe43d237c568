"""DKIM signatures (RFC 6376, RFC 8463) over the bytes that leave, with `cryptography` doing the arithmetic.

The usual library signs RSA in pure Python, twenty times slower, and by default leaves out the very headers that RFC
8058 wants signed; here the list is ours. Canonicalisation is relaxed for headers and simple for the body.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from nurture.errors import UsageError
from nurture.model.delivery import Outgoing

SIGNED: Final = (
    "from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "list-id",
    "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "auto-submitted", "precedence",
)  # fmt: skip
SEALED: Final = ("from", "to", "subject", "date", "list-unsubscribe", "list-unsubscribe-post")
"""Named once more than they occur, so that nobody can add a second one."""
SHORTEST_RSA: Final = 1024


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one domain and selector. `sign` gives the message with its signature in front."""

    domain: str
    selector: str
    key: Ed25519PrivateKey | RSAPrivateKey = field(repr=False)

    def sign(self, raw: bytes) -> bytes:
        head, _, body = raw.partition(b"\r\n\r\n")
        fields = _fields(head)
        names = [name for name in SIGNED for given, _ in fields if given == name]
        body_hash = base64.b64encode(sha256(_simple_body(body)).digest()).decode("ascii")
        algorithm = "ed25519-sha256" if isinstance(self.key, Ed25519PrivateKey) else "rsa-sha256"
        unsigned = (
            f"v=1; a={algorithm}; c=relaxed/simple; d={self.domain}; s={self.selector};\r\n"
            f" h={_folded([*names, *SEALED])};\r\n bh={body_hash};\r\n b="
        )
        hashed = _chosen(fields, [*names, *SEALED]) + b"dkim-signature:" + _relaxed(unsigned.encode("ascii"))
        signature = base64.b64encode(self._signature(hashed)).decode("ascii")
        wrapped = "\r\n  ".join(signature[i : i + 70] for i in range(0, len(signature), 70))
        return f"DKIM-Signature: {unsigned}{wrapped}\r\n".encode("ascii") + raw

    def _signature(self, hashed: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(sha256(hashed).digest())
        return self.key.sign(hashed, padding.PKCS1v15(), hashes.SHA256())

    def record(self) -> str:
        """The TXT record to publish at `<selector>._domainkey.<domain>`."""
        public = self.key.public_key()
        if isinstance(self.key, Ed25519PrivateKey):
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode('ascii')}"
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode('ascii')}"


def load_signer(domain: str, selector: str, path: Path) -> Signer:
    """A signer from a PEM file. Raises UsageError for a file or key that cannot be used."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as wrong:
        raise UsageError(
            f"The DKIM key {path} cannot be read: {wrong}", fix="Give a PEM file without a password."
        ) from None
    if isinstance(key, RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise UsageError(f"The DKIM key {path} has {key.key_size} bits; 2048 are usual, 1024 the least.")
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise UsageError(f"The DKIM key {path} is neither RSA nor Ed25519.")
    return Signer(domain, selector, key)


def signed_for(signers: Sequence[Signer], message: Outgoing) -> bytes:
    """The message signed with the keys of its From domain or a domain above it; with every key where none is."""
    own = [s for s in signers if f".{message.from_domain}".endswith(f".{s.domain}")]
    return signed_by(own or signers, message.raw)


def signed_by(signers: Sequence[Signer], raw: bytes) -> bytes:
    """The message with one signature per signer; a receiver that knows only RSA finds that one."""
    for signer in signers:
        raw = signer.sign(raw)
    return raw


def _fields(head: bytes) -> list[tuple[str, bytes]]:
    """(lower-case name, value with its folds) of each header field, in order."""
    lines = re.sub(rb"\r\n(?=[ \t])", b"\0", head).split(b"\r\n")
    pairs = (line.replace(b"\0", b"\r\n").partition(b":") for line in lines)
    return [(name.decode("ascii", "replace").strip().lower(), value) for name, _, value in pairs]


def _chosen(fields: Sequence[tuple[str, bytes]], names: Sequence[str]) -> bytes:
    """The named fields as they are hashed: for each name the lowest one not yet taken; a missing one is empty."""
    left: dict[str, list[bytes]] = {}
    for name, value in fields:
        left.setdefault(name, []).append(value)
    hashed = b""
    for name in names:
        if left.get(name):
            hashed += name.encode("ascii") + b":" + _relaxed(left[name].pop()) + b"\r\n"
    return hashed


def _relaxed(value: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _simple_body(body: bytes) -> bytes:
    """Empty lines at the end count as one line end (RFC 6376 3.4.3)."""
    return body.rstrip(b"\r\n") + b"\r\n"


def _folded(names: Sequence[str]) -> str:
    lines, line = [], ""
    for name in names:
        if len(line) + len(name) > 68:
            lines.append(line)
            line = ""
        line += f"{name}:"
    return "\r\n  ".join([*lines, line]).rstrip(":")
