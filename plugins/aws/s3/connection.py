"""How a bucket is reached, and what its errors say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Plugin, TaskError, parse_duration

CONNECT_SECONDS = 10
READ_SECONDS = 60
TRIES = 3
CONNECTIONS = 64
# What stores that only resemble S3 want to be told where their region is.
ANY_REGION = "us-east-1"

Client = Any
"""An S3 client: its library makes the methods at run time."""


class Part(BaseModel):
    """A group of properties, or of outputs."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Connection(Plugin):
    """Where the store is and who asks; without keys as AWS has it: environment, profile or role."""

    access_key_id: str | None = Field(None, description="Access key.")
    secret_key_id: str | None = Field(None, description="Secret key.")
    session_token: str | None = Field(None, description="Token that belongs to temporary keys.")
    region: str | None = Field(None, description="Region, as eu-west-1.")
    endpoint_override: str | None = Field(None, description="Address of another store, as http://localhost:9000.")
    compatibility_mode: bool = Field(False, description="Leave out checksums that some other stores don't know.")
    force_path_style: bool = Field(False, description="Name the bucket in the path rather than in the host.")
    sts_role_arn: str | None = Field(None, description="Role to take on.")
    sts_role_external_id: str | None = Field(None, description="External id that the role asks for.")
    sts_role_session_name: str | None = Field(None, description="Name of the role's session.")
    sts_role_session_duration: str = Field("PT15M", description="How long the role's session lasts.")
    sts_endpoint_override: str | None = Field(None, description="Address of another token service.")
    bucket: str = Field(min_length=1, description="Name of the bucket.")
    request_payer: str | None = Field(None, description="`requester` where who asks pays.")

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A client for the bucket's store. Raises TaskError where it can't be reached or answers with an error."""
        _check_library()
        async with AsyncExitStack() as stack:
            with told(f"s3://{self.bucket}"):
                keys = await self._assumed() if self.sts_role_arn else self._keys()
                made = self._made("s3", keys, self.endpoint_override)
                client = await stack.enter_async_context(made)
            yield client

    def more(self, **options: Any) -> dict[str, Any]:
        """Options of a request: those that are given, and who pays."""
        return given(RequestPayer=self.request_payer, **options)

    def _keys(self) -> dict[str, Any]:
        return given(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_key_id,
            aws_session_token=self.session_token,
        )

    async def _assumed(self) -> dict[str, Any]:
        """The keys of the role."""
        async with self._made("sts", self._keys(), self.sts_endpoint_override) as client:
            answer = await client.assume_role(
                RoleArn=self.sts_role_arn,
                RoleSessionName=self.sts_role_session_name or "tidegate",
                DurationSeconds=parse_duration(self.sts_role_session_duration) // 1000,
                **given(ExternalId=self.sts_role_external_id),
            )
        found = answer["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def _made(self, service: str, keys: Mapping[str, Any], endpoint: str | None) -> Any:
        from aiobotocore.config import AioConfig

        plain = self.compatibility_mode or self.endpoint_override is not None
        checksums = "when_required" if plain else "when_supported"
        config = AioConfig(
            s3={"addressing_style": "path" if self.force_path_style else "auto"},
            retries={"mode": "standard", "max_attempts": TRIES},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
        )
        region = self.region or (ANY_REGION if endpoint else None)
        return _session().create_client(service, region_name=region, endpoint_url=endpoint, config=config, **keys)


def given(**options: Any) -> dict[str, Any]:
    """Options without those that are None."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def told(what: str) -> Iterator[None]:
    """Tell every error of the store in one sentence, which begins with what was asked for."""
    from aiohttp import ClientError as Broken
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code, message = reason_of(error)
        raise TaskError(f"{what}: {error.operation_name}: {code}: {message}") from None
    except NoCredentialsError:
        raise TaskError(
            f"{what}: no keys were found; set accessKeyId and secretKeyId, or give the server a role or a profile"
        ) from None
    except EndpointConnectionError as error:
        raise TaskError(f"{what}: {error.kwargs.get('endpoint_url')} can't be reached") from None
    except (BotoCoreError, Broken, ValueError) as error:
        raise TaskError(f"{what}: {error}") from None


def reason_of(error: Any) -> tuple[str, str]:
    """The code and the sentence of an error that the store answered with."""
    told = error.response.get("Error", {})
    return str(told.get("Code", "")), str(told.get("Message") or "the store gives no reason")


def _check_library() -> None:
    if find_spec("aiobotocore") is None:
        raise TaskError("S3 needs a library that is not installed: pip install 'tidegate[s3]'")


@cache
def _session() -> Any:
    """The library's session, which reads large descriptions of the protocol once."""
    from aiobotocore.session import get_session

    return get_session()
