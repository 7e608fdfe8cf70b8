"""The WeChat stand-in as a process of its own, and its admin API as methods."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from simulator.openid import generated_openids
from tests.kit.processes import RunningProcess, python_module
from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

READY = "simulator ready "
ADMIN_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """An official account that the simulator knows; `kind` is service, subscription or test."""

    name: str = "default"
    appid: str = "wx0000000000000001"
    secret: str = field(default="0123456789abcdef0123456789abcdef", repr=False)
    kind: str = "service"

    @property
    def argument(self) -> str:
        """The account as `--account` takes it."""
        return f"{self.name}:{self.appid}:{self.secret}:{self.kind}"


class Simulator:
    """`python -m simulator` on a random port; `with Simulator() as wechat:` starts and stops it.

    Every account has `followers` generated followers (`openids()` names them), `daily_limit`
    mass calls a day and `calls_per_minute` (0 means no limit). `switches` are set before the
    first call. Admin helpers take the appid of the first account by default.
    """

    def __init__(
        self,
        accounts: Sequence[SimulatedAccount] = (SimulatedAccount(),),
        *,
        followers: int = 0,
        daily_limit: int = 100,
        calls_per_minute: int = 60,
        latency_ms: float = 0,
        seed: int = 0,
        first_msg_id: int | None = None,
        port: int = 0,
        switches: Mapping[str, Any] | None = None,
        scenario: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self.accounts = tuple(accounts)
        self.followers = followers
        self.daily_limit = daily_limit
        self.calls_per_minute = calls_per_minute
        self.latency_ms = latency_ms
        self.seed = seed
        self.first_msg_id = first_msg_id
        self.port = port
        self.url = ""
        self._switches = dict(switches or {})
        self.scenario = scenario
        self._log = log
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._process: RunningProcess | None = None
        self._session = requests.Session()

    def __enter__(self) -> Self:
        """Start, and return the running simulator."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    # The process

    def start(self) -> Self:
        """Start the process and wait for its ready line.

        Raises:
            AssertionError: it ended or was not ready in time; its output is shown.
        """
        if self._log is None:
            self._directory = tempfile.TemporaryDirectory(prefix="simulator-")
            self._log = Path(self._directory.name) / "simulator.log"
        log = self._log
        command = python_module("simulator", *self._arguments())
        self._process = RunningProcess(command, log=log, warm=True)
        self._process.wait_for_line(READY)
        self.url = self._process.output.rsplit(READY, 1)[1].split()[0]
        if self._switches:
            self.set_switches(**self._switches)
        return self

    def stop(self) -> int:
        """Send SIGTERM, wait for the end and return the exit status (0 when all is well)."""
        self._session.close()
        assert self._process is not None, "the simulator was not started"
        try:
            return self._process.stop()
        finally:
            if self._directory is not None:
                self._directory.cleanup()

    def kill(self) -> None:
        """SIGKILL: WeChat is away from one moment to the next."""
        assert self._process is not None, "the simulator was not started"
        self._process.kill()

    @property
    def process(self) -> RunningProcess:
        """The process: pid, output, freeze() and thaw()."""
        assert self._process is not None, "the simulator was not started"
        return self._process

    def _arguments(self) -> list[str]:
        words = ["--port", str(self.port), "--followers", str(self.followers)]
        words += ["--latency-ms", str(self.latency_ms), "--seed", str(self.seed)]
        words += ["--daily-limit", str(self.daily_limit)]
        words += ["--calls-per-minute", str(self.calls_per_minute)]
        if self.first_msg_id is not None:
            words += ["--first-msg-id", str(self.first_msg_id)]
        if self.scenario is not None:
            words += ["--scenario", str(self.scenario)]
        for account in self.accounts:
            words += ["--account", account.argument]
        return words

    # The account that helpers mean when none is named

    @property
    def account(self) -> SimulatedAccount:
        """The first account."""
        return self.accounts[0]

    def openids(self, count: int, *, start: int = 0, appid: str | None = None) -> list[str]:
        """OpenIDs number `start` to `start + count` of the account's generated followers."""
        return generated_openids(appid or self.account.appid, start=start, count=count)

    # Faults and switches

    def fault(self, kind: str, **limits: Any) -> int:
        """Add a fault and return its number.

        `kind`: drop, drop_unread, html, garbage, truncated, slow, drip, errcode, omit,
        same_msg_id, twice, late, invalidate_token; of pushes: push_lost, push_twice, push_late.
        `limits`: when="before"|"after", count, skip, probability, seed, appid, path (for example
        "/cgi-bin/message/mass/send", or an event's name), errcode, errmsg, name_job, seconds,
        status.
        """
        return int(self.admin("POST", "faults", {"kind": kind, **limits})["number"])

    def faults(self) -> list[dict[str, Any]]:
        """Every fault with the number of calls it has seen (`seen`) and hit (`fired`)."""
        listed: list[dict[str, Any]] = self.admin("GET", "faults")["faults"]
        return listed

    def clear_faults(self) -> None:
        """Remove every fault."""
        self.admin("DELETE", "faults")

    def switches(self) -> dict[str, Any]:
        """Every switch and its value."""
        return dict(self.admin("GET", "switches"))

    def set_switches(self, **values: Any) -> dict[str, Any]:
        """Change switches; the others stay."""
        return dict(self.admin("POST", "switches", values))

    # Accounts, followers, clock

    def change_account(self, appid: str | None = None, **changes: Any) -> dict[str, Any]:
        """Change one account: kind, daily_limit, used, calls_per_minute, permission_errcode ...

        `daily_limits` and `used_today` are by path; `callback` null ends the pushes.
        """
        return dict(self.admin("POST", f"accounts/{appid or self.account.appid}", changes))

    def set_callback(self, url: str, token: str, *, appid: str | None = None) -> dict[str, Any]:
        """Name the server to which the account's events are pushed, and the token that signs."""
        return self.change_account(appid, callback={"url": url, "token": token})

    def invalidate_token(self, appid: str | None = None, **how: Any) -> int:
        """Make the account's tokens 40001; `space` both|classic|stable, `sticky` true|false."""
        path = f"accounts/{appid or self.account.appid}/invalidate-token"
        return int(self.admin("POST", path, how)["invalidated"])

    def add_followers(self, openids: Iterable[str], *, appid: str | None = None) -> dict[str, int]:
        """Let these OpenIDs follow the account, whether generated or not."""
        path = f"accounts/{appid or self.account.appid}/followers"
        return dict(self.admin("POST", path, lines=openids))

    def remove_followers(
        self, openids: Iterable[str], *, appid: str | None = None
    ) -> dict[str, int]:
        """Let these OpenIDs unsubscribe."""
        path = f"accounts/{appid or self.account.appid}/followers"
        return dict(self.admin("DELETE", path, lines=openids))

    def shift_clock(self, seconds: float) -> float:
        """Move the simulator's clock by so many seconds more; return its Unix time.

        What is due by then (ends of jobs, pushes) happens before this returns.
        """
        return float(self.admin("POST", "clock", {"advance_s": seconds})["now"])

    def reset(self) -> None:
        """Forget everything but the accounts, followers and options of the start."""
        self.admin("POST", "reset")
        if self._switches:
            self.set_switches(**self._switches)

    # What really happened

    def ledger(self, appid: str | None = None, *, content: str | None = None) -> dict[str, int]:
        """Totals: delivered_distinct, delivered_max, doubled, deliveries.

        `content` is a job's `content_digest`: the totals are then of jobs with that content.
        """
        query = {"content": content} if content else {}
        return dict(self.admin("GET", f"ledger/{appid or self.account.appid}", query=query))

    def delivered(self, openids: Iterable[str], *, appid: str | None = None) -> dict[str, int]:
        """How often each of these OpenIDs really got something."""
        path = f"ledger/{appid or self.account.appid}/query"
        return dict(self.admin("POST", path, lines=openids))

    def ledger_dump(self, appid: str | None = None) -> dict[str, int]:
        """Every OpenID that got anything, with the number of times."""
        path = f"{self.url}/admin/ledger/{appid or self.account.appid}/dump"
        answer = self._session.get(path, timeout=ADMIN_TIMEOUT_S)
        answer.raise_for_status()
        pairs = (line.split() for line in answer.text.splitlines())
        return {openid: int(count) for openid, count in pairs}

    def jobs(self, **filters: Any) -> list[dict[str, Any]]:
        """Accepted mass sends, oldest first; filters: appid, clientmsgid, kind."""
        listed: list[dict[str, Any]] = self.admin("GET", "jobs", query=filters)["jobs"]
        return listed

    def job(self, msg_id: int) -> dict[str, Any]:
        """One job with its whole content."""
        return dict(self.admin("GET", f"jobs/{msg_id}"))

    def force_job_status(self, msg_id: int, status: str | None) -> None:
        """Make mass/get answer this status for the job: SENDING, SEND_SUCCESS ..."""
        self.admin("POST", f"jobs/{msg_id}", {"status": status})

    def calls(self, **filters: Any) -> list[dict[str, Any]]:
        """HTTP calls to WeChat's endpoints; filters: appid, path, errcode, clientmsgid, since."""
        listed: list[dict[str, Any]] = self.admin("GET", "calls", query=filters)["calls"]
        return listed

    def pushes(self, **filters: Any) -> list[dict[str, Any]]:
        """What was or will be pushed, with every attempt; filters: appid, event, state.

        `state`: waiting, under way, handled, given up, lost.
        """
        listed: list[dict[str, Any]] = self.admin("GET", "pushes", query=filters)["pushes"]
        return listed

    def mass_calls(self, **filters: Any) -> list[dict[str, Any]]:
        """Calls to mass/send and mass/sendall."""
        return [call for call in self.calls(**filters) if call["mass"]]

    def wait_for_jobs(self, count: int, *, timeout_s: float = 20) -> list[dict[str, Any]]:
        """Wait until at least `count` mass sends were accepted, and return them.

        Raises:
            AssertionError: the deadline passed.
        """
        until(lambda: len(self.jobs()) >= count, timeout_s, f"{count} accepted jobs")
        return self.jobs()

    def wait_for_mass_call(self, count: int = 1, *, timeout_s: float = 20) -> None:
        """Wait until `count` mass calls have passed every check and are being executed.

        Raises:
            AssertionError: the deadline passed.
        """

        def executed() -> bool:
            return sum(call["busy"] for call in self.mass_calls()) >= count

        until(executed, timeout_s, f"{count} mass calls in execution")

    def state(self) -> dict[str, Any]:
        """Accounts, concurrency, clock and faults at one glance."""
        return dict(self.admin("GET", "state"))

    def max_in_flight(self, appid: str | None = None) -> int:
        """Most mass calls of one account that were ever in flight at once."""
        by_account = self.state()["concurrency"]["max_in_flight"]
        return int(by_account.get(appid or self.account.appid, 0))

    def max_accounts_in_flight(self) -> int:
        """Most accounts that ever had a mass call in flight at once."""
        return int(self.state()["concurrency"]["max_accounts_in_flight"])

    def admin(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        lines: Iterable[str] | None = None,
    ) -> Any:
        """One call of the admin API; `lines` is sent as text.

        Raises:
            AssertionError: the simulator refused it; its words are shown.
        """
        answer = self._session.request(
            method,
            f"{self.url}/admin/{path}",
            params=query,
            json=body if lines is None else None,
            data=None if lines is None else "\n".join(lines).encode(),
            timeout=ADMIN_TIMEOUT_S,
        )
        assert answer.ok, f"admin {method} {path}: {answer.status_code} {answer.text}"
        return answer.json()
