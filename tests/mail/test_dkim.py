"""Our DKIM signatures, verified by an independent library; any change to what they cover breaks them."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nurture.errors import UsageError
from nurture.mail.dkim import Signer, load_signer, signed_by
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


def verifies(signer: Signer, raw: bytes) -> bool:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name.rstrip(b".") == f"{signer.selector}._domainkey.example.com".encode()
        return signer.record().encode()

    return bool(dkim.verify(raw, dnsfunc=dns))


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
