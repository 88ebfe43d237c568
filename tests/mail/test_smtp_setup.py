"""TLS, login, addresses beyond ASCII and several routes, against a real server on this machine."""

from __future__ import annotations

import datetime as dt
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nurture.errors import UsageError
from nurture.mail import headers
from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Route, parse_route
from nurture.model.delivery import Outgoing, Phase
from tests.faults.hell import Fault, HellServer
from tests.faults.test_smtp_table import QUICK, kinds, mail, pump, route

WAYS = ["one-by-one", "pipelined"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hell")])
    day = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(day).not_valid_after(day + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert, pem = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert, pem


def contexts(certificate: tuple[Path, Path]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    return server, ssl.create_default_context(cafile=str(certificate[0]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_encrypted_with_a_login(security: str, way: str, certificate: tuple[Path, Path]) -> None:
    theirs, ours = contexts(certificate)
    with HellServer(tls=theirs, implicit_tls=security == "tls", auth=("acme", "s3cret")) as server:
        chosen = route(server, way, security=security, username="acme", password="s3cret")
        ended = pump(SmtpTransport([chosen], tls=ours), [mail(i) for i in range(12)])
    assert kinds(ended) == {"body:250": 12} and not server.violations and set(server.copies().values()) == {1}


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN", "CRAM-MD5", "CRAM-MD5 PLAIN LOGIN", "XOAUTH2 LOGIN"])
@pytest.mark.parametrize("password", ["s3cret", "wrong", "žluťoučký: kůň"])
def test_every_way_to_log_in(mechanisms: str, password: str, certificate: tuple[Path, Path]) -> None:
    theirs, ours = contexts(certificate)
    right = password if password != "wrong" else "s3cret"
    with HellServer(tls=theirs, auth=("acme", right), mechanisms=mechanisms) as server:
        chosen = route(server, "pipelined", security="starttls", username="acme", password=password)
        ended = pump(SmtpTransport([chosen], tls=ours), [mail(1)])
    if password == "wrong":
        assert ended[1].untried and ended[1].reply.code == 535 and not server.accepted
    else:
        assert ended[1].reply.code == 250 and len(server.accepted) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_nobody_vouches_for_is_refused(security: str, certificate: tuple[Path, Path]) -> None:
    """Unless the route says `verify=no`: a relay in one's own house."""
    theirs, _ = contexts(certificate)
    with HellServer(tls=theirs, implicit_tls=security == "tls") as server:
        ended = pump(SmtpTransport([route(server, security=security)]), [mail(1)])
        assert ended[1].untried and "ertificate" in ended[1].reply.text and not server.accepted
        ended = pump(SmtpTransport([route(server, security=security, verify=False)]), [mail(1)])
        assert ended[1].reply.code == 250


def test_a_certificate_for_another_name_is_refused(certificate: tuple[Path, Path]) -> None:
    theirs, ours = contexts(certificate)
    with HellServer(tls=theirs) as server:
        ended = pump(SmtpTransport([route(server, security="starttls", host="localhost")], tls=ours), [mail(1)])
    assert ended[1].untried and not server.accepted


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_wrong_password_costs_no_message_an_attempt(security: str, certificate: tuple[Path, Path]) -> None:
    theirs, ours = contexts(certificate)
    with HellServer(tls=theirs, implicit_tls=security == "tls", auth=("acme", "s3cret")) as server:
        chosen = route(server, security=security, username="acme", password="wrong")
        ended = pump(SmtpTransport([chosen], tls=ours), [mail(1)])
    assert ended[1].untried and ended[1].reply.phase is Phase.AUTH and ended[1].reply.code == 535


def test_starttls_that_is_not_offered_is_no_plain_text() -> None:
    with HellServer() as server:
        ended = pump(SmtpTransport([route(server, security="starttls")]), [mail(1)])
    assert ended[1].untried and not server.accepted


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("offered", [True, False])
def test_addresses_beyond_ascii(way: str, offered: bool) -> None:
    """A domain becomes A-labels for every server; a local part needs SMTPUTF8."""
    domain, plain = headers.mailable("jiri@příklad.cz")
    local, utf8 = headers.mailable("jiří@příklad.cz")
    assert (domain, plain) == ("jiri@xn--pklad-zsa96e.cz", False) and utf8
    mails = [
        Outgoing(1, mail(1).raw, "b@example.com", domain),
        Outgoing(2, mail(2).raw, "b@example.com", local, smtputf8=True),
        Outgoing(3, mail(3).raw, "b@example.com", "last@example.org"),
    ]  # fmt: skip
    with HellServer(smtputf8=offered) as server:
        ended = pump(SmtpTransport([route(server, way)]), mails)
    recipients = {a.recipient for a in server.accepted}
    if offered:
        assert recipients == {domain, local, "last@example.org"}
    else:
        assert recipients == {domain, "last@example.org"}
        assert ended[2].reply.code == 553 and "5.6.7" in ended[2].reply.text


def several(first: HellServer, second: HellServer) -> SmtpTransport:
    return SmtpTransport([
        Route("news", "127.0.0.1", first.port, senders=frozenset({"news.example"}), connections=2, timeouts=QUICK),
        Route("main", "127.0.0.1", second.port, connections=2, timeouts=QUICK),
    ])


def from_(i: int, domain: str, route_name: str | None = None) -> Outgoing:
    return Outgoing(i, mail(i).raw, "b@example.com", f"lead{i}@example.org", route=route_name, from_domain=domain)


def test_routes_by_sender_and_by_name() -> None:
    with HellServer() as first, HellServer() as second:
        mails = [from_(1, "news.example"), from_(2, "other.example"), from_(3, "news.example", "main")]
        ended = pump(several(first, second), mails)
    assert [ended[i].route for i in (1, 2, 3)] == ["news", "main", "main"]
    assert len(first.accepted) == 1 and len(second.accepted) == 2


@pytest.mark.parametrize(
    ("step", "said"), [("greeting", "554 5.3.2 closed"), ("mail", "530 5.7.0 Must issue a STARTTLS command first")]
)
def test_fail_over_when_a_route_is_out(step: Any, said: str) -> None:
    always = Fault(step, "say", said, times=None)
    with HellServer(faults=[always]) as first, HellServer() as second:
        ended = pump(several(first, second), [from_(i, "news.example") for i in range(10)])
    assert {d.route for d in ended.values()} == {"main"} and set(second.copies().values()) == {1}


def test_a_resting_route_gets_nothing_and_a_named_one_waits() -> None:
    with HellServer() as first, HellServer() as second:
        transport = several(first, second)
        transport.resting = frozenset({"news"})
        ended = pump(transport, [from_(1, "news.example"), from_(2, "news.example", "news")])
    assert ended[1].route == "main" and ended[2].untried and not first.accepted


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, "none", None)),
        ("smtp+starttls://me%40x:p%2Fw@mail.example.com", ("mail.example.com", 587, "starttls", "me@x")),
        ("smtps://me:pw@mail.example.com?connections=3&per_hour=100", ("mail.example.com", 465, "tls", "me")),
    ],
)
def test_addresses_of_routes(url: str, wanted: tuple[object, ...]) -> None:
    made = parse_route("main", url)
    assert (made.host, made.port, made.security, made.username) == wanted
    assert "pw" not in repr(made)


@pytest.mark.parametrize(
    "url", ["http://x", "smtp://", "smtp://me:pw@mail.example.com", "smtps://h?connections=many", "smtps://h:port"]
)
def test_routes_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UsageError):
        parse_route("main", url)
