"""The API in this process, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api_in_process import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.close()
