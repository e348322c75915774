"""The folder of a world whose state is not kept: it goes with the server or, if that is killed, at the next start."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PREFIX = "hideaway-world-"
YOUNG = 60.0
"""Seconds in which a world in a new folder may not answer yet."""


def temporary(lives: Callable[[Path], bool]) -> tempfile.TemporaryDirectory[str]:
    """A new folder; what a world that was killed had there may be gone already when it is removed.

    lives: whether a world in such a folder lives. Folders of this user's in which none does are removed first.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.stat(follow_symlinks=False)
            if about.st_uid == os.geteuid() and time.time() - about.st_mtime > YOUNG and not lives(folder):
                shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
