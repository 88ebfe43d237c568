"""Providers' calls in their documented forms, signed with real keys: verified, dated, taken once, one vocabulary."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from nurture.clock import FixedClock
from nurture.mail.inbound.providers import PROVIDERS, BadCall, sendgrid, ses
from nurture.model.inbound import Reason, Told
from nurture.model.outside import Outside
from nurture.store import open_store
from nurture.web.app import create_app
from tests.inbound.world import NOW, Post

SIGNER = ec.generate_private_key(ec.SECP256R1())
VERIFIER = base64.b64encode(SIGNER.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
AMAZON = rsa.generate_private_key(65537, 2048)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
MAILGUN = "key-0123456789abcdef0123456789abcdef"
POSTMARK = "nurture:a long password"


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(AMAZON.public_key())
    made = made.serial_number(1).not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=400))
    return made.sign(AMAZON, SHA256()).public_bytes(Encoding.PEM)


CERTIFICATE = certificate()


# -- calls as the providers make them ---------------------------------------------------------------------------


def sendgrid_call(events: list[dict[str, Any]], *, at: datetime = NOW) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(events).encode()
    stamp = str(int(at.timestamp()))
    seal = base64.b64encode(SIGNER.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    return body, {sendgrid.SIGNATURE: seal, sendgrid.TIMESTAMP: stamp}


def mailgun_call(event: dict[str, Any], *, at: datetime = NOW, token: str = "t" * 50) -> tuple[bytes, dict[str, str]]:
    stamp = str(int(at.timestamp()))
    seal = hmac.new(MAILGUN.encode(), f"{stamp}{token}".encode(), "sha256").hexdigest()
    return json.dumps(
        {"signature": {"timestamp": stamp, "token": token, "signature": seal}, "event-data": event}
    ).encode(), {}


def postmark_call(event: dict[str, Any], *, password: str = POSTMARK) -> tuple[bytes, dict[str, str]]:
    return json.dumps(event).encode(), {"authorization": "Basic " + base64.b64encode(password.encode()).decode()}


def sns_call(
    message: dict[str, Any] | str, *, version: str = "2", at: datetime = NOW, **changes: Any
) -> tuple[bytes, dict[str, str]]:
    whole = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0000.pem",
        **changes,
    }
    names = ses._SUBSCRIPTION if whole["Type"] == "SubscriptionConfirmation" else ses._NOTIFICATION
    told = "".join(f"{n}\n{whole[n]}\n" for n in names if n in whole).encode()
    seal = AMAZON.sign(told, PKCS1v15(), SHA1() if version == "1" else SHA256())
    return json.dumps({**whole, "Signature": base64.b64encode(seal).decode()}).encode(), {}


def ses_bounce(
    kind: str, why: str, *, status: str = "5.1.1", said: str = "smtp; 550 5.1.1 user unknown"
) -> dict[str, Any]:
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": why,
            "timestamp": "2026-11-23T08:59:00.000Z",
            "feedbackId": "0-1",
            "bouncedRecipients": [
                {"emailAddress": "Lead1@example1.org", "action": "failed", "status": status, "diagnosticCode": said}
            ],
        },
        "mail": {
            "timestamp": "2026-11-23T08:58:00.000Z",
            "source": "ines@example.com",
            "messageId": "0102",
            "destination": ["lead1@example1.org"],
        },
    }


SES_COMPLAINT = {
    "notificationType": "Complaint",
    "complaint": {
        "complainedRecipients": [{"emailAddress": "lead1@example1.org"}],
        "complaintFeedbackType": "abuse",
        "timestamp": "2026-11-23T08:59:00.000Z",
    },
    "mail": {"timestamp": "2026-11-23T08:58:00.000Z", "destination": ["lead1@example1.org"]},
}


def sg(event: str, **more: Any) -> tuple[bytes, dict[str, str]]:
    one = {
        "email": "lead1@example1.org",
        "timestamp": int(NOW.timestamp()) - 60,
        "event": event,
        "sg_event_id": f"id-{event}",
        "sg_message_id": "14c",
        "smtp-id": "<x@y>",
    }
    return sendgrid_call([{**one, **more}])


def mg(event: str, **more: Any) -> tuple[bytes, dict[str, str]]:
    one = {
        "event": event,
        "id": f"id-{event}",
        "timestamp": NOW.timestamp() - 60,
        "recipient": "lead1@example1.org",
        "message": {"headers": {"message-id": "x@y"}},
    }
    return mailgun_call({**one, **more})


def pm(record: str, **more: Any) -> tuple[bytes, dict[str, str]]:
    one = {
        "RecordType": record,
        "ID": 4323372036854775807,
        "MessageID": "883953f4",
        "Email": "lead1@example1.org",
        "BouncedAt": "2026-11-23T09:59:00.1234567+01:00",
    }
    return postmark_call({**one, **more})


SECRETS = {"sendgrid": VERIFIER, "mailgun": MAILGUN, "postmark": POSTMARK, "ses": TOPIC}


def read(provider: str, call: tuple[bytes, dict[str, str]], now: datetime = NOW) -> Any:
    found = PROVIDERS[provider](*call, SECRETS[provider], now)
    return found.check(CERTIFICATE) if found.check else found


HARD, SOFT = True, False
TABLE: list[tuple[str, Callable[[], tuple[bytes, dict[str, str]]], Told | None, bool | None, Reason | None]] = [
    (
        "sendgrid",
        lambda: sg("bounce", type="bounce", status="5.1.1", reason="550 5.1.1 The email account does not exist"),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    (
        "sendgrid",
        lambda: sg("bounce", type="bounce", status="5.0.0", reason="550 rejected"),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    (
        "sendgrid",
        lambda: sg("bounce", type="bounce", status="5.2.2", reason="552 5.2.2 mailbox full"),
        Told.BOUNCED,
        SOFT,
        Reason.FULL,
    ),
    (
        "sendgrid",
        lambda: sg("bounce", type="blocked", status="5.7.1", reason="550 5.7.1 blocked by spamhaus"),
        Told.BOUNCED,
        SOFT,
        Reason.SPAM,
    ),
    ("sendgrid", lambda: sg("deferred", response="450 try again"), Told.DELAYED, None, None),
    ("sendgrid", lambda: sg("spamreport"), Told.COMPLAINED, None, None),
    ("sendgrid", lambda: sg("group_unsubscribe", asm_group_id=1), Told.UNSUBSCRIBED, None, None),
    (
        "sendgrid",
        lambda: sg("dropped", reason="Bounced Address", status="5.0.0"),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    ("sendgrid", lambda: sg("dropped", reason="Spam Content"), None, None, None),
    ("sendgrid", lambda: sg("delivered"), None, None, None),
    (
        "mailgun",
        lambda: mg(
            "failed",
            severity="permanent",
            reason="bounce",
            **{"delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 user unknown"}},
        ),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    (
        "mailgun",
        lambda: mg("failed", severity="permanent", reason="suppress-bounce", **{"delivery-status": {"code": 605}}),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    (
        "mailgun",
        lambda: mg(
            "failed",
            severity="permanent",
            reason="espblock",
            **{"delivery-status": {"code": 550, "message": "blocked"}},
        ),
        Told.BOUNCED,
        SOFT,
        Reason.POLICY,
    ),
    ("mailgun", lambda: mg("failed", severity="temporary", reason="generic"), Told.DELAYED, None, None),
    ("mailgun", lambda: mg("complained"), Told.COMPLAINED, None, None),
    ("mailgun", lambda: mg("unsubscribed"), Told.UNSUBSCRIBED, None, None),
    ("mailgun", lambda: mg("opened"), None, None, None),
    (
        "postmark",
        lambda: pm("Bounce", Type="HardBounce", TypeCode=1, Details="smtp;550 5.1.1 user unknown"),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    (
        "postmark",
        lambda: pm("Bounce", Type="SoftBounce", TypeCode=4096, Details="452 mailbox full"),
        Told.BOUNCED,
        SOFT,
        Reason.FULL,
    ),
    ("postmark", lambda: pm("Bounce", Type="Transient", TypeCode=2), Told.DELAYED, None, None),
    ("postmark", lambda: pm("Bounce", Type="Blocked", TypeCode=100006), Told.BOUNCED, SOFT, Reason.POLICY),
    ("postmark", lambda: pm("Bounce", Type="AutoResponder", TypeCode=32), None, None, None),
    ("postmark", lambda: pm("SpamComplaint", Type="SpamComplaint"), Told.COMPLAINED, None, None),
    (
        "postmark",
        lambda: pm(
            "SubscriptionChange",
            Recipient="lead1@example1.org",
            SuppressSending=True,
            SuppressionReason="ManualSuppression",
            Origin="Recipient",
            ChangedAt="2026-11-23T08:53:34.416071Z",
        ),
        Told.UNSUBSCRIBED,
        None,
        None,
    ),
    (
        "postmark",
        lambda: pm(
            "SubscriptionChange",
            Recipient="lead1@example1.org",
            SuppressSending=False,
            ChangedAt="2026-11-23T08:53:34Z",
        ),
        None,
        None,
        None,
    ),
    ("ses", lambda: sns_call(ses_bounce("Permanent", "General")), Told.BOUNCED, HARD, Reason.NO_ADDRESS),
    (
        "ses",
        lambda: sns_call(ses_bounce("Permanent", "Suppressed", status="", said="")),
        Told.BOUNCED,
        HARD,
        Reason.NO_ADDRESS,
    ),
    (
        "ses",
        lambda: sns_call(ses_bounce("Transient", "MailboxFull", status="5.2.2", said="smtp; 552 5.2.2 full")),
        Told.BOUNCED,
        SOFT,
        Reason.FULL,
    ),
    ("ses", lambda: sns_call(ses_bounce("Transient", "General")), Told.BOUNCED, SOFT, Reason.NO_ADDRESS),
    (
        "ses",
        lambda: sns_call(ses_bounce("Undetermined", "Undetermined", status="", said="")),
        Told.BOUNCED,
        SOFT,
        Reason.UNKNOWN,
    ),
    ("ses", lambda: sns_call(SES_COMPLAINT, version="1"), Told.COMPLAINED, None, None),
    ("ses", lambda: sns_call({"notificationType": "Delivery", "delivery": {}}), None, None, None),
    ("ses", lambda: sns_call("Successfully validated SNS topic for Amazon SES event publishing."), None, None, None),
]


@pytest.mark.parametrize("n", range(len(TABLE)), ids=[f"{row[0]}-{i}" for i, row in enumerate(TABLE)])
def test_what_a_provider_says(n: int) -> None:
    provider, make, told, hard, reason = TABLE[n]
    notices = read(provider, make()).notices
    if told is None:
        assert notices == ()
        return
    (notice,) = notices
    assert (notice.told, notice.address) == (told, "lead1@example1.org") and notice.id and notice.at <= NOW
    if hard is not None:
        assert (notice.struck.hard, notice.struck.reason) == (hard, reason)


def test_the_key_and_signature_that_sendgrid_publishes() -> None:
    """The vector of the provider's own libraries; its day is long over, so only the time is wrong with it."""
    body = b'{"category":"example_payload","event":"test_event","message_id":"message_id"}'
    secret = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4Cwrq"
        "DqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
    )
    seal = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
    headers = {sendgrid.SIGNATURE: seal, sendgrid.TIMESTAMP: "1588788367"}
    with pytest.raises(BadCall, match="another time"):
        sendgrid.read(body, headers, secret, NOW)
    with pytest.raises(BadCall, match="signature"):
        sendgrid.read(body + b" ", headers, secret, NOW)


@pytest.mark.parametrize(
    ("provider", "make"),
    [
        ("sendgrid", lambda at: sendgrid_call([], at=at)),
        ("mailgun", lambda at: mailgun_call({}, at=at)),
        ("ses", lambda at: sns_call("{}", at=at)),
    ],
)
def test_a_call_of_another_time_is_refused(
    provider: str, make: Callable[[datetime], tuple[bytes, dict[str, str]]]
) -> None:
    read(provider, make(NOW - timedelta(hours=6)))
    for wrong in (NOW - timedelta(days=2), NOW + timedelta(minutes=6)):
        with pytest.raises(BadCall):
            read(provider, make(wrong))


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_changed_call_is_refused(provider: str) -> None:
    body, headers = {
        "sendgrid": lambda: sg("spamreport"),
        "mailgun": lambda: mg("complained"),
        "postmark": lambda: pm("SpamComplaint"),
        "ses": lambda: sns_call(SES_COMPLAINT),
    }[provider]()
    with pytest.raises(BadCall):
        PROVIDERS[provider](body, headers, "" if provider != "sendgrid" else "AAAA", NOW)
    wrong = {
        "sendgrid": (body.replace(b"lead1", b"lead2"), headers),
        "postmark": (body, postmark_call({}, password="nurture:other")[1]),
        "mailgun": (body.replace(b'"t', b'"x', 1), headers),
        "ses": (body.replace(b"lead1", b"lead2"), headers),
    }[provider]
    with pytest.raises(BadCall):
        read(provider, wrong)
    for junk in (b"", b"[", b"null", b"[" * 100_000, b'{"signature": 5}', b"\xff\xfe"):
        with pytest.raises(BadCall):
            read(provider, (junk, {k: v for k, v in headers.items() if k != "authorization"}))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://x.sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x",
        "https://[::1/x.pem",
        "file:///etc/x.pem",
        "",
    ],
)
def test_a_certificate_comes_from_amazon_or_not_at_all(url: str) -> None:
    with pytest.raises(BadCall, match="certificate"):
        PROVIDERS["ses"](*sns_call(SES_COMPLAINT, SigningCertURL=url), TOPIC, NOW)


# -- the route -----------------------------------------------------------------------------------------------------


@pytest.fixture
def post(sqlite_url: str) -> Post:
    return Post(open_store(sqlite_url))


class Caller:
    def __init__(self, post: Post) -> None:
        self.fetched: list[str] = []
        post.parts.outside = Outside(providers=SECRETS, fetch=self.fetch)
        app: Any = create_app(post.parts, FixedClock(NOW))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x")

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return CERTIFICATE

    def __call__(self, provider: str, call: tuple[bytes, dict[str, str]]) -> tuple[int, Any]:
        import asyncio

        answer = asyncio.run(self.client.post(f"/inbound/{provider}", content=call[0], headers=call[1]))
        return answer.status_code, answer.json() if answer.text.startswith("{") else answer.text


def test_a_call_acts_once_however_often_it_comes(post: Post) -> None:
    call = Caller(post)
    bounce = sg("bounce", type="bounce", status="5.1.1", reason="550 5.1.1 no such user")
    assert call("sendgrid", bounce) == (200, {"taken": {"bounce": 1}})
    assert post.suppressed() == ["hard_bounce"] and post.events("email_bounce")[0].message_id == post.sent[0].id
    assert call("sendgrid", bounce) == (200, {"taken": {"repeated": 1}}), "the same call"
    again = sendgrid_call(json.loads(bounce[0]), at=NOW + timedelta(seconds=1))
    assert call("sendgrid", again) == (200, {"taken": {"repeated": 1}}), "the same fact in another call"
    assert len(post.events("email_bounce")) == 1
    assert call("mailgun", mg("complained"))[1] == {"taken": {"complaint": 1}}
    assert sorted(post.suppressed()) == ["complained", "hard_bounce"] and post.consents(1)["newsletter"] == "withdrawn"


def test_a_providers_word_about_an_address_nobody_has_is_kept(post: Post) -> None:
    call = Caller(post)
    assert call("postmark", pm("SpamComplaint", Email="Nobody@example.net"))[0] == 200
    assert post.suppressed() == ["complained"] and post.events("email_complaint") == []


def test_calls_that_are_not_signed_or_not_expected_change_nothing(post: Post) -> None:
    call = Caller(post)
    assert call("mailgun", (b"{}", {}))[0] == 401
    assert call("other", (b"{}", {}))[0] == 404
    assert call("postmark", (pm("SpamComplaint")[0], {}))[0] == 401
    assert (
        call("ses", sns_call(SES_COMPLAINT, TopicArn="arn:aws:sns:eu-west-1:1:other"))[0] == 401 and call.fetched == []
    )
    assert call("sendgrid", (b"x" * 1_100_000, {}))[0] == 413
    assert post.changes() == (0, 0, 0) and post.inbox() == []


def test_a_subscription_is_confirmed_only_at_amazon_and_only_for_our_topic(post: Post) -> None:
    call = Caller(post)
    asked = {
        "Type": "SubscriptionConfirmation",
        "Token": "2336",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336",
    }
    assert call("ses", sns_call("You have chosen to subscribe", **asked)) == (200, {"confirmed": True})
    assert call.fetched[-1] == asked["SubscribeURL"]
    evil = {**asked, "SubscribeURL": "https://169.254.169.254/latest/meta-data"}
    assert call("ses", sns_call("You have chosen to subscribe", **evil))[0] == 401
    assert not any("169.254" in url for url in call.fetched)


def test_words_no_database_takes_are_taken_out_of_a_call(store_url: str) -> None:
    post = Post(open_store(store_url))
    call = Caller(post)
    said = "550 5.1.1 \ud800\x00 no such user"
    assert call("postmark", pm("Bounce", Type="HardBounce", Details=said)) == (200, {"taken": {"bounce": 1}})
    assert post.suppressed() == ["hard_bounce"]
    post.store.close()
