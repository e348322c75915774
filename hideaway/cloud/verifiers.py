"""What a database engine keeps of a password: enough to recognise it, not enough to say it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stringprep
import unicodedata

from hideaway.cloud.database_types import engine_of

ROUNDS = 4096
"""PostgreSQL's own default."""


def verifier_of(engine: str, password: str, salt: bytes) -> str:
    """What a server of this engine (PostgreSQL-15, MySQL-8) keeps of a user's password. salt: 16 random bytes."""
    return native(password) if engine_of(engine) == "MySQL" else scram(password, salt)


def scram(password: str, salt: bytes, rounds: int = ROUNDS) -> str:
    """SCRAM-SHA-256 as PostgreSQL writes it (RFC 5803): SCRAM-SHA-256$rounds:salt$stored key:server key."""
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, rounds)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    return f"SCRAM-SHA-256${rounds}:{_text(salt)}${_text(stored)}:{_text(server)}"


def native(password: str) -> str:
    """mysql_native_password: an asterisk and SHA-1 of SHA-1 of the password, in capitals."""
    twice = hashlib.sha1(hashlib.sha1(password.encode(), usedforsecurity=False).digest(), usedforsecurity=False)
    return f"*{twice.hexdigest().upper()}"


def prepared(password: str) -> str:
    """A password as SASLprep (RFC 4013) has it; as it is where that forbids it, as PostgreSQL and libpq do."""
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    return password if not normal or any(map(_forbidden, normal)) or _mixed(normal) else normal


def _forbidden(letter: str) -> bool:
    tables = (
        stringprep.in_table_a1,
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    return any(table(letter) for table in tables)


def _mixed(text: str) -> bool:
    """Whether it mixes directions of writing in a way that is not allowed."""
    if not any(map(stringprep.in_table_d1, text)):
        return False
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return any(map(stringprep.in_table_d2, text)) or not ends


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
