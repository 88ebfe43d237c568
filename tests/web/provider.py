"""A small OpenID provider that speaks over HTTP, and lies when it is told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "nurture", "the client's own secret"


KEY = RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class SmallProvider:
    """`claims` and `header` override what an honest token says; `alg` signs it otherwise."""

    now: Callable[[], datetime]
    url: str = ""
    key: RSAKey = field(default_factory=lambda: KEY)
    address: str = "iva@example.com"
    claims: dict[str, Any] = field(default_factory=dict)
    sign_with: Any = None
    alg: str = "RS256"
    named: str | None = None
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.describe),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/keys", self.keys),
        ]

    def describe(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.named or self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code" and "openid" in asked["scope"]
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def token(self, request: Request) -> Response:
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        login = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        asked = self.asked.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = asked and base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == asked["code_challenge"]
        if login != f"{CLIENT}:{SECRET}" or asked is None or not fits or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        at = int(self.now().timestamp())
        said = {
            "iss": self.url, "sub": "u1", "aud": CLIENT, "iat": at, "exp": at + 300, "nonce": asked["nonce"],
            "email": self.address, "email_verified": True, **self.claims,
        }
        said = {k: v for k, v in said.items() if v is not None}
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self.signed(said)})

    def signed(self, said: dict[str, Any]) -> str:
        if self.alg in ("none", "HS256"):
            # By hand: the library refuses to make either.
            head = b".".join(_bare(json.dumps(part).encode()) for part in ({"alg": self.alg}, said))
            mac = hmac.digest(self.key.as_pem(private=False), head, "sha256") if self.alg == "HS256" else b""
            return (head + b"." + _bare(mac)).decode()
        return jwt.encode({"alg": self.alg, "kid": "one"}, said, self.sign_with or self.key, algorithms=[self.alg])

    def keys(self, request: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))


def _bare(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@contextmanager
def serve(provider: SmallProvider) -> Iterator[SmallProvider]:
    sock = socket.create_server(("127.0.0.1", 0))
    provider.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=provider.routes()), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join(10)
