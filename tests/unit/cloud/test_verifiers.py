"""What is kept of passwords: what engines themselves would keep."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from hideaway.cloud.verifiers import native, prepared, scram, verifier_of


def test_scram_is_that_of_the_standard_s_own_example() -> None:
    """RFC 7677, section 3: from the stored key and the server key follow the proof that is taken and the answer."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    rounds, _, keys = scram("pencil", salt).removeprefix("SCRAM-SHA-256$").partition("$")
    assert rounds == "4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = (f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}").encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored, message, "sha256")
    client = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client).digest() == stored
    assert hmac.digest(server, message, "sha256") == base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_native_is_that_of_mysql_s_manual() -> None:
    assert native("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"
    assert verifier_of("MySQL-8", "mypass", b"") == native("mypass")


@pytest.mark.parametrize(
    ("password", "wanted"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("a\u0007b", "a\u0007b"),
        ("\u06271", "\u06271"),
        ("\u00ad", "\u00ad"),
    ],
    ids=["nothing", "same", "normal", "roman", "space", "control", "directions", "empty"],
)
def test_passwords_are_prepared_as_rfc_4013_s_examples_are_and_else_taken_as_they_are(
    password: str, wanted: str
) -> None:
    assert prepared(password) == wanted
