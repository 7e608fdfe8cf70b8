"""Commands `broadcast`, each a process, run to their end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.kit.wait import patiently
from tests.kit.warm import COMMANDS, Fork

#: The script that is installed for users.
PROGRAM = str(Path(sys.executable).parent / "broadcast")


def module(*words: str) -> list[str]:
    """Return `broadcast WORDS` as a module that Python runs, which a warm one can do, too."""
    return [sys.executable, "-m", "entrypoints.cli.main", *words]


def run(
    words: Sequence[str | bytes],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout_s: float = 60,
    before: Sequence[str] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Run `BEFORE broadcast WORDS` to its end, with an interpreter of its own where it needs one.

    Raises:
        subprocess.TimeoutExpired: it took longer, also for a busy machine, and was killed.
    """
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        reading = stack.enter_context(_fed(stdin))
        streams = (reading, out.fileno(), err.fileno())
        process = started(words, streams, folder, environment=environment, before=before)
        try:
            status = process.wait(patiently(timeout_s))
        except BaseException:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(list(words), status, out.read(), err.read())
    _expect_reason(done)
    return done


def _expect_reason(done: subprocess.CompletedProcess[bytes]) -> None:
    """Fail where ``--json`` leaves open why a command could not do its work."""
    if "--json" not in done.args or done.returncode not in {2, 3}:
        return
    try:
        shown = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        # Standard output was lost, or is a stream that broke off.
        return
    assert shown["error"], f"exit {done.returncode} without an error: {shown}"


def started(
    words: Sequence[str | bytes],
    streams: tuple[int, int, int],
    folder: Path,
    *,
    environment: Mapping[str, str],
    before: Sequence[str] = (),
    session: bool = False,
) -> subprocess.Popen[bytes] | Fork:
    """Start `BEFORE broadcast WORDS` on these three streams, in a session of its own or not."""
    forked = None
    if not before:
        forked = COMMANDS.start(
            "entrypoints.cli.main",
            words,
            streams=streams,
            folder=folder,
            environment=environment,
            session=session,
        )
    stdin, out, err = streams
    return forked or subprocess.Popen(
        [*before, PROGRAM, *words],
        stdin=stdin,
        stdout=out,
        stderr=err,
        cwd=folder,
        env=environment,
        start_new_session=session,
    )


@contextlib.contextmanager
def _fed(data: bytes) -> Iterator[int]:
    """Give a pipe to read *data* from."""
    reading, writing = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        thread.join()
