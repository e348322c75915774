"""What every packet test needs: a machine that lets packets flow."""

from __future__ import annotations

import os

import pytest

from hideaway.backends.linux.capabilities import require
from hideaway.base.errors import Unavailable


@pytest.fixture(scope="session")
def packets() -> None:
    """Skips, and says what is missing, where this machine lets no packet flow."""
    try:
        require(rootless=os.geteuid() != 0)
    except Unavailable as error:
        pytest.skip(str(error))
