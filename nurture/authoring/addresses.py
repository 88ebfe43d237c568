"""Addresses of people and of pages, as mail can use them."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from nurture.authoring.desk import Desk
from nurture.authoring.tree import Node
from nurture.authoring.values import line, not_like, short

_SENDER = re.compile(r"(?P<name>[^<>\r\n]{1,120}?)\s*<(?P<email>[^<>\s]{3,254})>")


@lru_cache(maxsize=2048)
def split_address(said: str) -> tuple[str, str] | None:
    """`Ines at Acme <ines@example.com>` -> (name, address); None when it does not read."""
    found = _SENDER.fullmatch(said.strip())
    name, address = (found["name"].strip('" '), found["email"]) if found else ("", said.strip())
    if "=?" in said or any(ord(c) < 32 for c in said):
        return None
    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        return None
    return name, address


def address(node: Node, desk: Desk) -> str | None:
    """An e-mail address with or without a name before it."""
    if node.kind != "text" or split_address(node.text) is None:
        not_like(node, desk, "ines@example.com", "Ines at Acme <ines@example.com>")
        return None
    return node.text.strip()


def email(node: Node, desk: Desk) -> str | None:
    found = split_address(node.text) if node.kind == "text" else None
    if found is None or found[0]:
        not_like(node, desk, "ines@example.com")
        return None
    return node.text.strip()


def web_address_fault(said: str) -> str | None:
    """Why `said` is no absolute https address, or None when it is one."""
    if any(c.isspace() or ord(c) < 33 for c in said) or "\\" in said:
        return "it holds a space, a backslash or a control character"
    try:
        parts = urlsplit(said)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "it does not read as an address"
    if parts.scheme != "https" or not host:
        return "it is not an absolute https address"
    if parts.username or "%" in host:
        return "its host is not plain"
    inside = host.endswith(".localhost") or "." not in host
    if inside or re.fullmatch(r"[0-9.]+|\[?[0-9a-f:]+\]?", host):
        return "nobody outside can reach its host"
    return None


def web_address(node: Node, desk: Desk) -> str | None:
    found = line(node, desk)
    if found is None:
        return None
    fault = web_address_fault(found)
    if fault:
        desk.find("not-https", node.place, f"`{short(found)}`: {fault}", "write it as `https://www.example.com/...`")
        return None
    return found
