"""The properties of everything that makes a request."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engine.plugin import Context, Plugin, Task
from plugins.core.http.call import Call, Options


class Calling(Plugin):
    """What makes a request."""

    uri: str = Field(description="Address, with or without a query.")
    method: str = Field(default="GET", description="HTTP method.")
    params: dict[str, Any] | None = Field(default=None, description="Query parameters, added to those of the address.")
    body: str | None = Field(default=None, description="Body as text; not used beside formData.")
    form_data: dict[str, Any] | None = Field(
        default=None,
        description="Form fields. With `contentType: multipart/form-data` a field may be a file: a URI of internal "
        "storage, or a map of `name` and `content`.",
    )
    content_type: str | None = Field(default=None, description="Content type of the body.")
    headers: dict[str, Any] | None = Field(default=None, description="Request headers.")
    options: Options | None = Field(default=None, description="Time limits, redirects, authentication, proxy, TLS.")
    ssl_options: dict[str, Any] | None = Field(default=None, description="Older place of `options.ssl`.")
    allow_failed: bool = Field(default=False, description="Whether a status of 400 and above is a success too.")

    def call(self) -> Call:
        """The request as the client makes it."""
        options = self.options or Options()
        if self.ssl_options and self.ssl_options.get("insecureTrustAllCertificates"):
            options = options.trusting()
        return Call(
            uri=self.uri,
            method=self.method.upper(),
            params=self.params or {},
            headers=self.headers or {},
            body=self.body,
            form=self.form_data,
            content_type=self.content_type,
            options=options,
            allow_failed=self.allow_failed or options.allow_failed,
        )


class Called(Calling, Task):
    """What the tasks that make a request have in common."""

    def measure(self, ctx: Context, length: int, code: int) -> None:
        """Publish how many bytes the answer has."""
        ctx.metric("response.length", length, "counter", **{"request.method": self.method, "response.code": str(code)})
