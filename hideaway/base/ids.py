"""Where identifiers come from. Code that needs one takes an Ids, so that a test knows them beforehand."""

from __future__ import annotations

import random
import string
import uuid

UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_LETTERS = string.ascii_letters + string.digits


class Ids:
    """Makes identifiers of every kind that the cloud hands out, from the system's randomness or from a seed."""

    def __init__(self, seed: int | None = None):
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)

    def uuid(self) -> str:
        """A random UUID (version 4), as text."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def access_key(self) -> str:
        """An access key: SCW and 17 capitals or digits (the vendor's shape)."""
        return "SCW" + "".join(self._random.choices(string.ascii_uppercase + string.digits, k=17))

    def mac(self) -> str:
        """A MAC address with the vendor's prefix, 02:00:00."""
        return "02:00:00:" + ":".join(f"{self._random.randrange(256):02X}" for _ in range(3))

    def token(self, length: int = 64) -> str:
        """A secret of letters and digits."""
        return "".join(self._random.choices(_LETTERS, k=length))

    def word(self, length: int = 8) -> str:
        """A short name of lower-case letters, for names that a user left out."""
        return "".join(self._random.choices(string.ascii_lowercase, k=length))

    def below(self, bound: int) -> int:
        """A number from 0 to bound - 1."""
        return self._random.randrange(bound)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as the API spells them (lower case or upper case, with dashes)."""
    if len(text) != 36:
        return False
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
