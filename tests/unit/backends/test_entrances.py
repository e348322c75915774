"""Files are found below a host's root, wherever its links point."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hideaway.backends.linux.inside.entrances import resolved


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/etc/passwd", "/etc/passwd"),
        ("/here/file", "/etc/file"),  # a relative link
        ("/there/file", "/etc/file"),  # an absolute one: of the root's, not of the machine's
        ("/out/file", "/file"),
        ("/../../file", "/file"),
        ("/chain/file", "/etc/file"),
        ("/new/file", "/new/file"),
    ],
)
def test_links_do_not_lead_out(tmp_path: Path, path: str, found: str) -> None:
    (tmp_path / "etc").mkdir()
    for name, target in (("here", "etc"), ("there", "/etc"), ("out", "../../.."), ("chain", "/there/../here")):
        (tmp_path / name).symlink_to(target)
    assert resolved(os.fsencode(tmp_path), path.encode()).decode() == found


def test_links_that_go_round_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("/two")
    (tmp_path / "two").symlink_to("/one")
    assert resolved(os.fsencode(tmp_path), b"/one/file").startswith(b"/")
