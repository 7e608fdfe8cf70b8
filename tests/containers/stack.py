"""A stack of docker-compose.yml in a folder of its own, with the simulator in WeChat's place."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.kit.wait import until
from tests.servers.ports import free_port
from tests.servers.proofs import not_proved
from tools.packages import ROOT

#: What runs them: the program that CONTAINERS names, else Docker, else Podman.
TOOL = os.environ.get("CONTAINERS") or next(filter(shutil.which, ("docker", "podman")), "docker")
TIMEOUT_S = 300
APPID = "wx0000000000000001"
#: Calls a minute: slow enough that a broadcast is still under way when each service has died.
PACE = 6
_FACTS = "{{.State.Pid}} {{.Image}} {{.State.StartedAt}}"
PORTS = ("FLOWER", "API", "CALLBACK", "SIMULATOR")


def docker(*words: str, folder: Path = ROOT, stdin: str = "") -> str:
    """Run Docker, or Podman, which takes the same words; return what it printed."""
    done = subprocess.run(
        [TOOL, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{TOOL} {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


class Stack:
    """The services, under a name and at ports that nobody else has."""

    def __init__(
        self,
        folder: Path,
        *,
        tag: str,
        profiles: str = "api,callback,simulator,backup",
        broker: str = "valkey",
    ) -> None:
        """*tag*: of the images, which are there."""
        self.folder = folder
        self.broker = broker
        shutil.copy(ROOT / "docker-compose.yml", folder)
        self.ports = {name: free_port() for name in PORTS}
        self.name = f"bc-test-{secrets.token_hex(4)}"
        settings = {
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_PROFILES": profiles,
            "WECHAT_API_BASE": "http://simulator:8080",
            "IMAGE_TAG": tag,
            "BROADCAST_LANG": "en",
            **{f"PORT_{name}": str(port) for name, port in self.ports.items()},
        }
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (folder / ".env").write_text(lines, "ascii")

    def make_secrets(self) -> None:
        """Make them as `make compose-secrets` does, with a pace for the one account."""
        (self.folder / "secrets").mkdir()
        (self.folder / "secrets" / "accounts.toml").write_text(
            f'[accounts.default]\nappid = "{APPID}"\nappsecret = "{secrets.token_hex(16)}"\n'
            f'callback_token = "{secrets.token_hex(8)}"\ncalls_per_minute = {PACE}\n',
            "ascii",
        )
        place = f"from pathlib import Path; compose_secrets.main(Path({str(self.folder)!r}))"
        words = [sys.executable, "-c", f"from tools import compose_secrets; {place}"]
        subprocess.run(
            words,
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=TIMEOUT_S,
            env={**os.environ, "BROKER": self.broker},
        )

    @contextmanager
    def running(self) -> Iterator[Stack]:
        """Start it, and wait until it is healthy; take it down with its data in the end."""
        if TOOL != "docker":
            not_proved("docker-compose.yml", f"{TOOL} takes no start_interval of a health check")
        self.make_secrets()
        try:
            with self.timed("the stack, healthy after"):
                self.compose("up", "--detach", "--no-build", "--wait")
            yield self
        finally:
            (self.folder / "logs").write_text(self.compose("logs", "--no-color"), "utf-8")
            self.compose("down", "--volumes", "--timeout", "5")

    def compose(self, *words: str) -> str:
        """Run `docker compose` in the folder."""
        return docker("compose", *words, folder=self.folder)

    def states(self) -> dict[str, str]:
        """Return the state of each service, such as ``running healthy``."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {
            one["Service"]: f"{one['State']} {one['Health']}".strip()
            for one in map(json.loads, lines)
        }

    def kill(self, service: str) -> None:
        """Kill the first process of a container, as the machine's lack of memory would.

        Wait until Docker has started it again.
        """
        container = self.compose("ps", "--quiet", service).strip()
        pid, image, started = docker("inspect", "--format", _FACTS, container).split()
        as_root = ("--privileged", "--pid", "host", "--user", "0", "--entrypoint", "sh")
        docker("run", "--rm", *as_root, image, "-c", f"kill -9 {pid}")
        until(
            lambda: docker("inspect", "--format", _FACTS, container).split()[2] != started,
            60,
            f"Docker to start {service} again",
        )

    def exit_status(self, service: str) -> int:
        """Return the exit status of a service that was stopped."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", container))

    def wait_for(self, service: str) -> None:
        """Wait until a service is healthy."""
        until(lambda: self.states()[service] == "running healthy", 90, f"{service} to be healthy")

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Print how long *what* takes."""
        began = time.monotonic()
        yield
        print(f"{what}: {time.monotonic() - began:.1f} s")

    def exec(self, service: str, *words: str, stdin: str = "") -> str:
        """Run a command in the container of a service."""
        return docker(
            "compose", "exec", "--no-TTY", service, *words, folder=self.folder, stdin=stdin
        )

    def doctor(self) -> list[dict[str, Any]]:
        """Return what `broadcast doctor` finds in the worker's container."""
        words = ("exec", "--no-TTY", "worker", "broadcast", "doctor", "--json")
        # It ends with 1 where it finds an error.
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
        return found

    def openids(self, count: int) -> str:
        """Return the first OpenIDs of the simulator's followers, one a line."""
        words = ("python", "-m", "simulator", "followers", "--appid", APPID, "--count", str(count))
        return self.exec("simulator", *words)

    def ask_api(self, method: str, path: str, **more: Any) -> Any:
        """Ask the HTTP API with the key of the secrets."""
        key = (self.folder / "secrets" / "api_keys").read_text("ascii").split()[0]
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        url = f"http://127.0.0.1:{self.ports['API']}/v1/{path}"
        answer = requests.request(method, url, headers=headers, timeout=TIMEOUT_S, **more)
        assert answer.ok, answer.text
        return answer.json()

    def ledger(self) -> dict[str, int]:
        """Return what the simulator's followers got."""
        url = f"http://127.0.0.1:{self.ports['SIMULATOR']}/admin/ledger/{APPID}"
        return dict(requests.get(url, timeout=TIMEOUT_S).json())
