"""Commands typed into a terminal of 80 columns; what it shows in the end, as a person sees it."""

from __future__ import annotations

import codecs
import contextlib
import copy
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte

from tests.kit.wait import can_read, patiently
from tests.kit.warm import COMMANDS, Fork

COLUMNS = 80
#: Wider than the terminal that programs see: a line that it would wrap stays whole.
WIDTH, HEIGHT = 400, 400
#: The program itself, its words and at most a file for its output; all else is for a shell.
SIMPLE = re.compile(r"(?P<words>broadcast [^|&;<>$`()*~\n\\]*)((?P<to>>>?) ?(?P<file>[\w.-]+))?")
PROMPT, QUESTION = "$ ", "[y/N] "
#: How a line ends that waits for an answer.
ASKS = re.compile(r"(\[y/N(/p)?\]|to\s+go\s+on:|first:|以继续：|(预览)?给 \S+：)$")
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a terminal shows when a command has ended."""

    screen: pyte.Screen
    status: int
    #: All that was written to it, with what moves and colours.
    written: bytes = b""

    @property
    def text(self) -> str:
        """Its lines, without blanks at their ends."""
        return shown(self.screen)


def typed(
    line: str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    answers: Sequence[str] = (),
    timeout_s: float = 60,
    controls: bool = False,
) -> Shown:
    """Type one line; answer what it asks.

    *controls*: it is the terminal of the process, as in a login, whatever its streams are.

    Raises:
        AssertionError: it did not end in time; what it showed is told.
    """
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.ByteStream(screen)
    written = b""
    left = list(answers)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = _started(line, theirs, folder, environment, controls=controls)
    try:
        for data in _read(ours, until_s=time.monotonic() + patiently(timeout_s)):
            assert data is not None, f"it did not end in time:\n{shown(screen)}"
            # A mark of CSV files. No terminal shows it, and this one would leave its line out.
            written += (seen := data.replace(codecs.BOM_UTF8, b""))
            stream.feed(seen)
            if left and ASKS.search(shown(screen)):
                os.write(ours, f"{left.pop(0)}\n".encode())
        return Shown(screen=screen, status=process.wait(patiently(timeout_s)), written=written)
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()


def shown(screen: pyte.Screen) -> str:
    """Return what a screen shows."""
    # A look at every cell of the empty lines below takes longer than a command.
    written = copy.copy(screen)
    written.lines = 1 + max((number for number, line in screen.buffer.items() if line), default=0)
    return "\n".join(line.rstrip() for line in written.display).rstrip("\n")


def _started(
    line: str, terminal: int, folder: Path, environment: Mapping[str, str], *, controls: bool
) -> subprocess.Popen[bytes] | Fork:
    simple = None if controls else SIMPLE.fullmatch(line)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, terminal)
        out = terminal
        if simple is not None and simple["to"]:
            mode = "ab" if simple["to"] == ">>" else "wb"
            out = stack.enter_context((folder / simple["file"]).open(mode)).fileno()
        forked = simple and COMMANDS.start(
            "entrypoints.cli.main",
            shlex.split(simple["words"], comments=True)[1:],
            streams=(terminal, out, terminal),
            folder=folder,
            environment=environment,
            session=True,
        )
        # A terminal that the first process of a session opens is the one of the session.
        taking = f": < {os.ttyname(terminal)}; " if controls else ""
        return forked or subprocess.Popen(
            ["sh", "-c", f"{taking}{line}"],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=folder,
            env={**environment, "PATH": f"{BIN}:{os.environ['PATH']}"},
            start_new_session=True,
        )


def _read(terminal: int, *, until_s: float) -> Iterator[bytes | None]:
    # Linux ends a terminal whose other side is gone with an error, macOS with nothing.
    with contextlib.suppress(OSError):
        while True:
            if not can_read(terminal, max(0.0, until_s - time.monotonic())):
                yield None
            elif data := os.read(terminal, 65536):
                yield data
            else:
                return
