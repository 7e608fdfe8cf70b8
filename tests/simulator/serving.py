"""The simulator with endpoints of a test, served in a thread of the test."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simulator.app import application
from simulator.core.accounts import Registration
from simulator.core.server import Server, listening_socket
from simulator.core.world import Simulation, Start
from simulator.endpoints import every_endpoint
from tests.kit.simulator import SimulatedAccount
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.core.endpoint import Endpoint

ACCOUNT = SimulatedAccount()


@contextmanager
def served(*endpoints: Endpoint, followers: int = 0) -> Iterator[str]:
    """Serve these beside the usual ones, for ACCOUNT; yield the URL."""
    registration = Registration(name=ACCOUNT.name, appid=ACCOUNT.appid, secret=ACCOUNT.secret)
    start = Start(registrations=(registration,), followers=followers)
    simulation = Simulation(start, [*every_endpoint(), *endpoints])
    listener = listening_socket("127.0.0.1", 0)
    server = Server(application(simulation))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started, 10, "the server in this process")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        simulation.close()
    assert not thread.is_alive()
