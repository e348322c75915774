"""The document's cluster as a Fabric, as text.

After a wanted change, `python -m tests.golden.test_compile` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hideaway.fabric.model import Fabric
from tests.unit.compile.factory import document_cluster

GOLDEN = Path(__file__).with_name("compile_document.json")


def rendered(fabric: Fabric) -> str:
    """A Fabric as JSON that reads line by line."""
    return msgspec.json.format(msgspec.json.encode(fabric), indent=1).decode() + "\n"


def test_the_documents_cluster() -> None:
    assert rendered(document_cluster().fabric()) == GOLDEN.read_text()


def test_the_golden_text_reads_back_as_the_same_fabric() -> None:
    assert msgspec.json.decode(GOLDEN.read_bytes(), type=Fabric) == document_cluster().fabric()


if __name__ == "__main__":
    GOLDEN.write_text(rendered(document_cluster().fabric()))
