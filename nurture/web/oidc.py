"""Signing in with the company's own accounts (OpenID Connect): code flow with PKCE, bound to the browser that began it.

The provider says who somebody is; whether they may come in, and as what, is said by `nurture users`. An address that
the provider has not verified counts for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr

from nurture.errors import Refused, Unavailable, UsageError

log = logging.getLogger(__name__)

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""What an id token may be signed with: never nothing, and never a secret that others hold too."""
FRESH: Final = timedelta(hours=1)
LEEWAY: Final = 60
"""Seconds by which two clocks may differ."""
TIMEOUT: Final = 10.0
BIGGEST: Final = 256 * 1024


@dataclass(slots=True)
class Provider:
    """One OpenID provider. What it publishes is fetched when first needed and again after an hour."""

    issuer: str
    client_id: str
    client_secret: SecretStr = field(repr=False)
    _found: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _keys: Any = field(default_factory=dict, repr=False)
    """As fetched; whether they are keys is asked where they are imported."""
    _at: datetime | None = None

    def __post_init__(self) -> None:
        said = urlsplit(self.issuer)
        here = said.hostname in ("127.0.0.1", "::1", "localhost")
        if said.scheme != "https" and not (said.scheme == "http" and here):
            raise UsageError("NURTURE_OIDC_ISSUER is no https address.", fix="https://accounts.example.com")
        if not self.client_id:
            raise UsageError("NURTURE_OIDC_CLIENT_ID is not set.", fix="The provider gave it when you registered.")

    def ask(self, *, state: str, nonce: str, verifier: str, back: str, now: datetime) -> str:
        """Where the browser goes to say who it is. Raises Unavailable when the provider does not answer."""
        found = self._discovered(now)
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": back,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        there = str(found["authorization_endpoint"])
        return f"{there}{'&' if '?' in there else '?'}{urlencode(asked)}"

    def address_of(self, code: str, *, nonce: str, verifier: str, back: str, now: datetime) -> str:
        """The verified mail address behind a code. Raises Refused for anything that does not add up."""
        found = self._discovered(now)
        told = self._exchange(str(found["token_endpoint"]), code, verifier, back)
        claims = self._claims(told, now)
        if not secrets.compare_digest(str(claims.get("nonce") or "").encode(), nonce.encode()):
            raise Refused("the answer belongs to another question", code="oidc")
        address = claims.get("email")
        if claims.get("email_verified") is not True or not isinstance(address, str):
            raise Refused("the provider has not verified the address", code="oidc")
        return address

    def _exchange(self, endpoint: str, code: str, verifier: str, back: str) -> str:
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        login = httpx.BasicAuth(self.client_id, self.client_secret.get_secret_value())
        told = _json("POST", endpoint, data=data, auth=login).get("id_token")
        if not isinstance(told, str):
            raise Refused("the provider sent no id token", code="oidc")
        return told

    def _claims(self, told: str, now: datetime) -> Mapping[str, Any]:
        claims = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client_id},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            said = self._decoded(told, now).claims
            claims.validate(said)
        except (JoseError, ValueError) as wrong:
            raise Refused(f"the id token does not hold: {wrong}", code="oidc") from None
        several = isinstance(said.get("aud"), list) and len(said["aud"]) > 1
        if (several or "azp" in said) and said.get("azp") != self.client_id:
            raise Refused("the id token was made for another program", code="oidc")
        return said

    def _decoded(self, told: str, now: datetime) -> jwt.Token:
        try:
            return jwt.decode(told, KeySet.import_key_set(self._keys), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have changed its keys since; a token that still does not fit is refused.
            self._discover(now)
        return jwt.decode(told, KeySet.import_key_set(self._keys), algorithms=ALGORITHMS)

    def _discovered(self, now: datetime) -> Mapping[str, Any]:
        if self._at is None or now - self._at > FRESH:
            self._discover(now)
        return self._found

    def _discover(self, now: datetime) -> None:
        found = _json("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self.issuer or not all(isinstance(found.get(n), str) for n in needed):
            raise Unavailable("the OpenID provider describes itself wrongly")
        self._found, self._keys, self._at = found, _json("GET", found["jwks_uri"]), now


def _json(method: str, url: str, **more: Any) -> dict[str, Any]:
    """One small JSON document; no redirect is followed. Raises Unavailable, or Refused for an answer of 4xx."""
    try:
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client,
            client.stream(method, url, **more) as answer,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > BIGGEST:
                    raise Unavailable("the OpenID provider sends too much")
            if 400 <= answer.status_code < 500:
                raise Refused(f"the OpenID provider answers {answer.status_code}", code="oidc")
            if answer.status_code != 200:
                raise Unavailable(f"the OpenID provider answers {answer.status_code}")
            found = httpx.Response(200, content=body).json()
    except (httpx.HTTPError, ValueError) as away:
        log.warning("the OpenID provider: %s", type(away).__name__)
        raise Unavailable("the OpenID provider does not answer") from None
    if not isinstance(found, dict):
        raise Unavailable("the OpenID provider answers with something else")
    return found


def challenge_of(verifier: str) -> str:
    """PKCE, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
