"""Our DKIM signatures, verified by an independent library; any change to what they cover breaks them."""

from __future__ import annotations

import base64
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nurture.assembly import assemble
from nurture.errors import UsageError
from nurture.mail.dkim import Signer, load_signer, signed_by
from nurture.mail.smtp import over_smtp
from nurture.model.delivery import Outgoing
from nurture.settings import load_settings
from nurture.store import open_store
from tests.faults.hell import HellServer
from tests.faults.test_smtp_table import pump
from tests.mail.test_press import MAILS, both

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIGNERS = [Signer("example.com", "ed", ed25519.Ed25519PrivateKey.generate()), Signer("example.com", "rsa", RSA)]
RAW = both(MAILS["plain"], {"first_name": "Žofie", "rows": [], "score": 1}, clicks=True, opens=False)[0]


class _VerifyKey:
    """dkimpy hands Ed25519's arithmetic to PyNaCl, which is not among our libraries: here `cryptography` does it.
    What is hashed, and how, is still dkimpy's own reading of the message."""

    def __init__(self, key: bytes, encoder: object = None) -> None:
        self.key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key) if encoder else key)

    def verify(self, message: bytes, signature: bytes) -> bytes:
        self.key.verify(signature, message)
        return message


@pytest.fixture(autouse=True)
def nacl(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("nacl") is None:
        whole = SimpleNamespace(
            signing=SimpleNamespace(VerifyKey=_VerifyKey), encoding=SimpleNamespace(Base64Encoder=object),
            exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=ValueError),
        )
        monkeypatch.setattr(dkim, "nacl", whole, raising=False)


def verifies(signer: Signer, raw: bytes, nth: int = 0) -> bool:
    """Does the `nth` signature from above hold with this key?"""

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name.rstrip(b".") == f"{signer.selector}._domainkey.{signer.domain}".encode()
        return signer.record().encode()

    try:
        return bool(dkim.DKIM(raw).verify(nth, dnsfunc=dns))
    except dkim.DKIMException:
        return False


@pytest.mark.parametrize("signer", SIGNERS, ids=["ed25519", "rsa"])
def test_an_independent_verifier_agrees(signer: Signer) -> None:
    signed = signer.sign(RAW)
    assert signed.endswith(RAW) and verifies(signer, signed)
    head = signed.split(b"\r\n\r\n")[0].decode()
    assert all(len(line) <= 78 for line in head.split("DKIM-Signature:")[1].split("\r\nTo:")[0].split("\r\n"))


@pytest.mark.parametrize("signer", SIGNERS, ids=["ed25519", "rsa"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"List-Unsubscribe: <https://", b"List-Unsubscribe: <https://evil."),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=One-Clicked"),
        (b"Subject: ", b"Subject: not "),
        (b"From: Ines", b"From: Mallory"),
        (b"example.com/privacy", b"example.com/elsewhere"),
        (b"Hello", b"Goodbye"),
        (b"To: ", b"From: Second <x@example.com>\r\nTo: "),
        (b"To: ", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nTo: "),
    ],
)
def test_any_change_breaks_it(signer: Signer, old: bytes, new: bytes) -> None:
    signed = signer.sign(RAW)
    changed = signed.replace(old, new, 1)
    assert changed == signed or not verifies(signer, changed)
    assert changed != signed or old not in signed


def test_two_signatures_and_both_headers_of_one_click_are_covered() -> None:
    signed = signed_by(SIGNERS, RAW)
    assert signed.count(b"DKIM-Signature:") == 2
    for part in signed.split(b"DKIM-Signature:")[1:]:
        names = part.split(b"h=")[1].split(b";")[0].replace(b"\r\n", b"").replace(b" ", b"").split(b":")
        assert names.count(b"list-unsubscribe") == 2 and names.count(b"list-unsubscribe-post") == 2


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    good, none = tmp_path / "good.pem", tmp_path / "none.pem"
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    good.write_bytes(RSA.private_bytes(*pem))
    none.write_text("no key")
    assert base64.b64decode(load_signer("example.com", "rsa", good).record().split("p=")[1])
    for path in (none, tmp_path / "absent.pem"):
        with pytest.raises(UsageError):
            load_signer("example.com", "rsa", path)


@pytest.mark.parametrize(
    ("sender", "selectors"),
    [
        ("example.com", {"ed", "rsa"}), ("news.example.com", {"ed", "rsa"}), ("other.test", {"o"}),
        ("elsewhere.test", {"ed", "rsa", "o"}),
    ],
)  # fmt: skip
def test_each_mail_carries_the_signatures_of_its_sender(sender: str, selectors: set[str]) -> None:
    """Over a real connection: what arrives verifies, with the RSA key for receivers that know no other."""
    keys = (*SIGNERS, Signer("other.test", "o", RSA))
    with HellServer() as server:
        transport = over_smtp(f"smtp://127.0.0.1:{server.port}", {}, signers=keys)
        pump(transport, [Outgoing(1, RAW, "b@example.com", "lead@example.org", from_domain=sender)])
    (copy,) = server.accepted
    assert {s.decode() for s in re.findall(rb"; s=([a-z]+);", copy.raw)} == selectors
    expected = [key for key in keys if key.selector in selectors]
    assert all(verifies(signer, copy.raw, nth) for nth, signer in enumerate(reversed(expected)))


def test_keys_are_named_in_the_settings(tmp_path: Path, sqlite_url: str) -> None:
    pem = tmp_path / "k.pem"
    pem.write_bytes(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    store = open_store(sqlite_url)
    named = {"s2._domainkey.example.com": str(pem)}
    chosen = load_settings(var_dir=tmp_path, dkim_domain="example.org", dkim_key_file=pem, dkim_keys=named)
    assert assemble(store, chosen).transport.sign is not None
    with pytest.raises(UsageError, match="names no DKIM key"):
        assemble(store, load_settings(var_dir=tmp_path, dkim_keys={"example.com": str(pem)}))
