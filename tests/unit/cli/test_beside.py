"""What is imported beside the reading of a list harms nobody who is at work meanwhile."""

from __future__ import annotations

import subprocess
import sys

#: In every thread that starts from here on: whenever a class with abstract methods has just been
#: made, and has no name yet, somebody asks whether a thing can be called, as libraries do all day.
ASKED_AT_THE_WRONG_MOMENT = """
import threading
from abc import ABCMeta
from collections.abc import Callable
from cli import sending

failures = []

def ask(frame, event, made):
    if event == "return" and frame.f_code.co_name == "__new__" and isinstance(made, ABCMeta):
        try:
            issubclass(type("NeverAskedAbout", (), {}), Callable)
        except NameError as error:
            failures.append(str(error))
    return ask

threading.settrace(ask)
sending._import_beside()
while beside := threading.enumerate()[1:]:
    beside[0].join()
print(len(failures), failures)
"""


def test_importing_beside_never_lets_a_question_about_callables_fail() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED_AT_THE_WRONG_MOMENT], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("0 []\n", "")
