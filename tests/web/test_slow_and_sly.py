"""Raw connections to the real server: askers who never finish, addresses that are claimed, requests with two ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn

from nurture.errors import UsageError
from nurture.settings import load_settings
from nurture.web import serving, shell
from nurture.web.app import create_app
from nurture.web.limits import client_key
from tests.web.conftest import World


@pytest.fixture
def port(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(serving.Patience, "within", 0.3)
    monkeypatch.setattr(shell, "BODY_WITHIN", 0.5)
    with served(world, "127.0.0.1") as number:
        yield number


@contextmanager
def served(world: World, trusted_proxies: str) -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(serving.config(create_app(world.parts, world.clock), trusted_proxies=trusted_proxies))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Everything the server says until it hangs up, or until it has been quiet for three seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as line:
        for part in parts:
            try:
                line.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        heard = b""
        with suppress(ConnectionResetError):
            while more := line.recv(65536):
                heard += more
        return heard


@pytest.mark.parametrize("drip", [(), (b"GET / HT",), (b"GET / HTTP/1.1\r\n", *(b"a: b\r\n",) * 8)])
def test_headers_that_never_end_are_not_waited_for(port: int, drip: tuple[bytes, ...]) -> None:
    assert talk(port, *drip, pause=0.1) == b""


def test_neither_are_those_of_a_second_request_nor_a_body(port: int) -> None:
    first = b"GET /forms/guide HTTP/1.1\r\nhost: x\r\n\r\n"
    heard = talk(port, first, b"GET /forms/gu", b"ide", pause=0.1)
    assert heard.startswith(b"HTTP/1.1 200") and heard.count(b"HTTP/1.1 ") == 1
    head = b"POST /forms/guide HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    heard = talk(port, head + b"content-length: 50\r\nconnection: close\r\n\r\n", b"a=1", b"&b=2", pause=0.1)
    assert heard.split(b"\r\n", 1)[0].split(b" ")[1] in (b"400", b"408")
    whole = talk(port, head + b"content-length: 3\r\nconnection: close\r\n\r\na=1")
    assert whole.startswith(b"HTTP/1.1 4") and b"408" not in whole.split(b"\r\n", 1)[0]


@pytest.mark.parametrize(
    "sly",
    [
        b"content-length: 4\r\ntransfer-encoding: chunked\r\n",
        b"content-length: 4\r\ncontent-length: 40\r\n",
        b"transfer-encoding: xchunked\r\ncontent-length: 4\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\ncontent-length: 4\r\n",
        b"content-length: +4\r\n",
        b"transfer-encoding:\x0bchunked\r\n",
    ],
)
def test_a_request_with_two_ends_is_no_request(port: int, sly: bytes) -> None:
    inside = b"0\r\n\r\nGET /o/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
    heard = talk(port, b"POST /events HTTP/1.1\r\nhost: x\r\n" + sly + b"\r\n" + inside)
    assert heard.startswith(b"HTTP/1.1 400") and heard.count(b"HTTP/1.1 ") == 1, heard[:200]


def form_from(port: int, claimed: str) -> bytes:
    body = b"email=ada%40example.com&agree-privacy_notice-email=y"
    head = f"POST /forms/guide HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {claimed}\r\nconnection: close\r\n"
    head += f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
    return talk(port, head.encode() + body)


@pytest.mark.parametrize(
    "claimed", ["198.51.100.7", "203.0.113.66, 198.51.100.7", "127.0.0.1, 198.51.100.7, 127.0.0.1"]
)
def test_the_last_word_on_an_address_is_the_proxys(port: int, world: World, claimed: str) -> None:
    assert form_from(port, claimed).startswith(b"HTTP/1.1 200")
    kept = str(world.rows('select "values" from consent_proof'))
    assert "198.51.100.7" in kept and "203.0.113.66" not in kept


def test_who_is_no_proxy_is_not_believed(world: World) -> None:
    with served(world, "192.0.2.1") as number:
        assert form_from(number, "198.51.100.7").startswith(b"HTTP/1.1 200")
    assert "198.51.100.7" not in str(world.rows('select "values" from consent_proof'))


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.0/8, *", "10.0.0.1/99"])
def test_a_setting_that_would_believe_anybody_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="NURTURE_TRUSTED_PROXIES"):
        load_settings(trusted_proxies=wrong)


def test_a_house_with_many_addresses_asks_under_one_name() -> None:
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::9") != client_key("2001:db8:1:3::1")
    assert client_key("::ffff:198.51.100.7") == client_key("198.51.100.7") == "198.51.100.7"
    assert client_key("::ffff:10.0.0.1") is None and client_key("fd00::1") is None
