"""An OpenID Connect provider: authorization code with PKCE, client secret, userinfo, keys that change, sign-out."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT, SECRET, AUDIENCE = "tide gate", "very:secret%", "https://tide.example/api"


class TestProvider:
    """What the browser signs in with is `user`; `claims` and `key` let tests spoil what it says."""

    __test__ = False

    def __init__(self) -> None:
        self.issuer = ""
        self.user: dict[str, Any] = {"sub": "1", "email": "Ann@Example.com", "email_verified": True, "groups": ["ops"]}
        self.in_token = True
        self.claims: dict[str, Any] = {}
        self.keys_asked = 0
        self.rotate()
        self._codes: dict[str, dict[str, str]] = {}

    def rotate(self) -> None:
        """From now on only a new key is good."""
        self.key = self.published = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig"})

    def token(self, audience: str, **more: Any) -> str:
        """A signed token about the user."""
        about = self.user if self.in_token else {"sub": self.user["sub"], "email": self.user["email"]}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + 300, **about, **more, **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Gives the issuer."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_get("/userinfo", self._userinfo)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self.issuer
        finally:
            await runner.cleanup()

    async def _configuration(self, request: web.Request) -> web.Response:
        places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo", "end_session": "logout"}
        return web.json_response(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                **{f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in places.items()},
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        given = await request.post()
        asked = self._codes.pop(str(given["code"]), None)
        kind, _, pair = request.headers.get("Authorization", "").partition(" ")
        id, _, secret = b64decode(pair).decode().partition(":")
        digest = hashlib.sha256(str(given["code_verifier"]).encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or (kind, unquote(id), unquote(secret)) != ("Basic", CLIENT, SECRET)
            or asked["redirect_uri"] != given["redirect_uri"]
            or asked["code_challenge"] != challenge
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        id_token = self.token(CLIENT, nonce=asked["nonce"])
        return web.json_response({"id_token": id_token, "access_token": "opaque", "token_type": "Bearer"})

    async def _jwks(self, request: web.Request) -> web.Response:
        self.keys_asked += 1
        return web.json_response({"keys": [self.published.as_dict(private=False)]})

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer opaque"
        return web.json_response(self.user)
