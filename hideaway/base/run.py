"""Running programs on the machine itself. An error's text pastes as a shell line."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from hideaway.base.errors import HideawayError


class ProgramFailed(HideawayError):
    """A program ended with another status than 0. Its text holds the command line, the status and what it said."""

    def __init__(self, argv: Sequence[str], status: int, said: str):
        self.argv, self.status, self.said = tuple(argv), status, said
        super().__init__(f"{shlex.join(argv)} ended with status {status}: {said.strip()}")


def run(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60) -> str:
    """Run a program to its end and return what it printed.

    Raises ProgramFailed when its status is not 0 (127 where there is no such program, 124 after timeout seconds).
    """
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise ProgramFailed(argv, 127, f"no such program: {argv[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(argv, 124, f"not done after {timeout} s") from error
    if done.returncode != 0:
        raise ProgramFailed(argv, done.returncode, done.stderr or done.stdout)
    return done.stdout
