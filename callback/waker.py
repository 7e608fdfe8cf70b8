"""Waking a worker beside the answers: what is stored is safe, and a sweep finds it too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from broadcast.errors import BrokerAwayError

log = logging.getLogger(__name__)

#: Of a thousand pushes in a second a worker needs one wake.
PAUSE_S = 0.2
#: While the broker is away.
LONG_PAUSE_S = 5.0


class WakerThread:
    """A thread that wakes a worker soon after it was asked to, however often that was."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Take what wakes; it may raise BrokerAwayError."""
        self._wake = wake
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._owes = False
        # A daemon: a broker that does not answer must not hold up the end of the process.
        self._thread = threading.Thread(target=self._work, name="waker", daemon=True)
        self._thread.start()

    def wake_soon(self) -> None:
        """Have a worker woken soon."""
        self._asked.set()

    def close(self) -> None:
        """Wake once more where it was asked to since, and end."""
        self._owes = self._asked.is_set()
        self._stopped.set()
        self._asked.set()
        self._thread.join(LONG_PAUSE_S)

    def _work(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            self._asked.wait()
            if self._stopped.is_set():
                break
            self._asked.clear()
            pause = self._woken_then_pause()
        if self._owes:
            self._woken_then_pause()

    def _woken_then_pause(self) -> float:
        try:
            self._wake()
        except BrokerAwayError as error:
            log.warning("no worker woken; the sweep finds what is stored: %s", error)
            return LONG_PAUSE_S
        return PAUSE_S
