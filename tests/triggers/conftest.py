"""What the tests of triggers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.object_store import object_store


@pytest.fixture(scope="session")
def s3_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("s3")) as address:
        yield address
