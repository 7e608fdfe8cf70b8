"""A log of a part is kept over restarts, bounded, and loses no line when it begins a new file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from broadcast.logs import kept_log

#: Logs a hundred numbered lines to a file that is its standard output and error as well.
WRITER = """
import logging, os, sys
from pathlib import Path
from broadcast.logs.kept_log import KeptLog

log = Path(sys.argv[1])
log_fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.dup2(log_fd, 1)
os.dup2(log_fd, 2)
handler = KeptLog(log, most_bytes=int(sys.argv[2]))
logging.getLogger().addHandler(handler)
for number in range(100):
    logging.warning("line %02d", number)
raise SystemExit("the last words")
"""


def write(log: Path, most_bytes: int) -> None:
    """Let another process write a hundred lines."""
    subprocess.run(
        [sys.executable, "-c", WRITER, str(log), str(most_bytes)], check=False, timeout=30
    )


def lines_of(folder: Path) -> list[str]:
    """Every line that is kept, the oldest first."""
    files = sorted(folder.iterdir(), reverse=True)
    return [line for file in files for line in file.read_text("ascii").splitlines()]


def test_a_full_log_begins_a_new_file_no_line_is_lost_and_the_last_words_are_in_the_newest(
    tmp_path: Path,
) -> None:
    log = tmp_path / "part.log"

    write(log, 250)

    assert lines_of(tmp_path) == [*(f"line {n:02d}" for n in range(100)), "the last words"]
    assert len(list(tmp_path.iterdir())) == 4
    assert log.read_text("ascii").endswith("the last words\n")


def test_beyond_four_older_files_the_oldest_lines_give_way(tmp_path: Path) -> None:
    write(tmp_path / "part.log", 100)

    kept = lines_of(tmp_path)
    assert len(list(tmp_path.iterdir())) == 5
    assert kept[:-1] == [f"line {n:02d}" for n in range(101 - len(kept), 100)]
    assert 50 < len(kept) < 70


def test_a_restart_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "part.log"

    for _ in range(2):
        write(log, 10_000)

    assert log.read_text("ascii").count("line 99") == 2
    assert list(tmp_path.iterdir()) == [log]


def test_room_is_made_where_a_log_is_too_large_and_only_there(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    kept_log.make_room(log, most_bytes=10)
    log.write_text("0123456789", "ascii")
    kept_log.make_room(log, most_bytes=10)
    assert list(tmp_path.iterdir()) == [log]

    kept_log.make_room(log, most_bytes=9)

    assert [one.name for one in tmp_path.iterdir()] == ["part.log.1"]
