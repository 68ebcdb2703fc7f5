"""An OpenID Connect provider as its clients see it: what it is, its keys, what it says of a user.

Nothing it says is believed without its signature, and for another audience or issuer it is not said at all.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import anyio
import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from engine.api.problems import Unauthenticated
from engine.clock import monotonic
from engine.errors import Refused, Unavailable
from engine.settings import Oidc as Options

DISCOVERY = "/.well-known/openid-configuration"
# Of keys that nobody but the provider has; never those of a shared secret, and never none.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
KNOWN_SECONDS = 600.0
# A key that is not known may be a new one; whoever makes names of keys up must not have us ask all the time.
ASK_AGAIN_SECONDS = 5.0
LEEWAY_SECONDS = 60
TIMEOUT = ClientTimeout(total=10)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Metadata(msgspec.Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Grant(msgspec.Struct, frozen=True):
    """What it gives for a code."""

    id_token: str
    access_token: str = ""


class Provider:
    """The provider that the settings name."""

    def __init__(self, options: Options, session: ClientSession) -> None:
        self._options = options
        self._session = session
        self._lock = anyio.Lock()
        self._metadata: Metadata | None = None
        self._keys: Any = None
        self._asked = 0.0

    async def metadata(self) -> Metadata:
        """What it says of itself. Raises Unavailable."""
        if self._metadata is None:
            found = _read(await self._get(f"{self._options.issuer.rstrip('/')}{DISCOVERY}"), Metadata)
            if found.issuer != self._options.issuer:
                raise Unavailable(
                    f"The sign-in provider calls itself '{found.issuer}', not '{self._options.issuer}' as the setting "
                    "server.oidc.issuer has it"
                )
            self._metadata = found
        return self._metadata

    async def address(self, redirect: str, state: str, nonce: str, challenge: str) -> str:
        """Where a browser goes to sign in. Raises Unavailable."""
        asked = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self._options.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with((await self.metadata()).authorization_endpoint, asked)

    async def leaving(self, back: str) -> str | None:
        """Where a browser goes to sign out there too; None where the provider has no such place."""
        end = (await self.metadata()).end_session_endpoint
        if end is None:
            return None
        return _with(end, {"client_id": self._options.client_id, "post_logout_redirect_uri": back})

    async def exchange(self, code: str, verifier: str, redirect: str) -> Grant:
        """What it gives for a code. Raises Unauthenticated where it gives nothing, Unavailable."""
        metadata, id, secret = await self.metadata(), self._options.client_id, self._options.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
            "client_id": id,
        }
        headers = {}
        if secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            pair = f"{quote(id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        elif secret:
            form["client_secret"] = secret
        try:
            async with self._session.post(metadata.token_endpoint, data=form, headers=headers) as answer:
                body = await answer.read()
        except (ClientError, TimeoutError) as error:
            raise self._away(error) from None
        if answer.status >= 500:
            raise self._away(f"it answered {answer.status}")
        if answer.status >= 400:
            raise Unauthenticated("the sign-in provider does not know this sign-in: begin again")
        grant: Grant = _read(body, Grant)
        return grant

    async def user_info(self, access_token: str) -> dict[str, Any]:
        """What else it says of the user of an access token; nothing where it has no place for that."""
        place = (await self.metadata()).userinfo_endpoint
        if place is None or not access_token:
            return {}
        found: dict[str, Any] = _read(await self._get(place, f"Bearer {access_token}"), dict[str, Any])
        return found

    async def claims(self, token: str, audience: str, nonce: str | None = None) -> dict[str, Any]:
        """What a token of this provider for this audience says. Raises Unauthenticated, Unavailable.

        nonce: of the sign-in that it was made for; it is an ID token then, and the audience the client
        """
        from joserfc import errors, jwt

        try:
            try:
                read = jwt.decode(token, await self._known_keys(), algorithms=ALGORITHMS)
            except (errors.InvalidKeyIdError, errors.BadSignatureError):
                read = jwt.decode(token, await self._known_keys(again=True), algorithms=ALGORITHMS)
            wanted: dict[str, Any] = {
                "iss": {"essential": True, "value": (await self.metadata()).issuer},
                "aud": {"essential": True, "value": audience},
                "exp": {"essential": True},
            }
            if nonce is not None:
                wanted["nonce"] = {"essential": True, "value": nonce}
                wanted["azp"] = {"value": audience}
            jwt.JWTClaimsRegistry(leeway=LEEWAY_SECONDS, **wanted).validate(read.claims)
        except (errors.JoseError, ValueError) as error:
            raise Unauthenticated(f"the token is not one of the sign-in provider for this server: {error}") from None
        claims: dict[str, Any] = dict(read.claims)
        return claims

    async def _known_keys(self, again: bool = False) -> Any:
        from joserfc import errors
        from joserfc.jwk import KeySet

        async with self._lock:
            age = monotonic() - self._asked
            if self._keys is None or age > KNOWN_SECONDS or (again and age > ASK_AGAIN_SECONDS):
                body = await self._get((await self.metadata()).jwks_uri)
                try:
                    self._keys = KeySet.import_key_set(_read(body, dict[str, Any]))
                except (errors.JoseError, KeyError, ValueError) as error:
                    raise self._away(f"its keys can't be read: {error}") from None
                self._asked = monotonic()
            return self._keys

    async def _get(self, url: str, authorization: str = "") -> bytes:
        headers = {"Authorization": authorization} if authorization else {}
        try:
            async with self._session.get(url, headers=headers) as answer:
                body = await answer.read()
        except (ClientError, TimeoutError) as error:
            raise self._away(error) from None
        if answer.status != 200:
            raise self._away(f"it answered {answer.status} at {url}")
        return body

    def _away(self, why: object) -> Unavailable:
        return Unavailable(f"The sign-in provider {self._options.issuer} can't be asked ({why})")


@asynccontextmanager
async def provider_of(options: Options) -> AsyncIterator[Provider | None]:
    """The provider of the settings while the block is open; None where they name none. Raises Refused."""
    if not options.issuer:
        yield None
        return
    place = urlsplit(options.issuer)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOOPBACK):
        raise Refused(f"Setting not accepted: server.oidc.issuer must be an https address, not '{options.issuer}'")
    if not options.client_id:
        raise Refused("Setting not accepted: server.oidc.client_id is missing, the name that the provider knows us by")
    try:
        import joserfc  # noqa: F401
    except ImportError:
        raise Refused("To sign in by OpenID Connect the extra is missing: pip install 'tidegate[oidc]'") from None
    async with ClientSession(timeout=TIMEOUT, trust_env=True) as session:
        yield Provider(options, session)


def _read(body: bytes, model: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"The sign-in provider's answer can't be read: {error}") from None


def _with(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
