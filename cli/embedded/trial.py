"""``broadcast up --simulator``: the simulator in the place of WeChat, for first steps.

Its account is left in a file that commands in other terminals read where no account is set and the
database is the same (``broadcast.settings``). It has a name of its own, so nothing of it is mixed
with a real account's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from broadcast.accounts import KEYWORDS
from broadcast.settings import UP_ACCOUNTS, UP_DATABASE, Settings
from cli.embedded import parts
from cli.embedded.supervisor import Supervisor
from cli.listening import CALLBACK_PORT

ACCOUNT = parts.TRIAL_ACCOUNT
#: As the commands are run in the project's folder.
OPENIDS = "examples/openids.csv"


def callback_port(asked: int) -> int:
    """Return the port for pushes: nobody else pushes here, so the usual one need not be free."""
    return parts.free_port() if asked in {0, CALLBACK_PORT} else asked


@contextmanager
def simulator(supervisor: Supervisor, settings: Settings, *, callback_port: int) -> Iterator[None]:
    """Start the simulator with the account of the demo, and leave the account where it is found.

    It pushes to the callback server that is to listen on *callback_port*. What followers' words
    do is as the settings say.
    """
    followers = str(parts.TRIAL_FOLLOWERS)
    url = parts.simulator(
        supervisor, [ACCOUNT], "--port", "0", "--followers", followers,
        callback=f"http://{parts.LOOPBACK}:{callback_port}",
    )  # fmt: skip
    with left(url, settings):
        yield


@contextmanager
def left(url: str, settings: Settings) -> Iterator[None]:
    """Leave the account, and the database that it is for, where other terminals find them."""
    assert ACCOUNT.callback_token is not None
    secret, token = (one.get_secret_value() for one in (ACCOUNT.appsecret, ACCOUNT.callback_token))
    parts.write_private(UP_DATABASE, settings.whole_database_url)
    parts.write_private(
        UP_ACCOUNTS,
        f'[accounts.{ACCOUNT.name}]\nappid = "{ACCOUNT.appid}"\nappsecret = "{secret}"\n'
        f'api_base = "{url}"\ncallback_token = "{token}"\n{_keywords(settings)}',
    )
    try:
        yield
    finally:
        UP_ACCOUNTS.unlink(missing_ok=True)
        UP_DATABASE.unlink(missing_ok=True)


def _keywords(settings: Settings) -> str:
    given = {name: getattr(settings, name) for name in sorted(KEYWORDS)}
    # A string of JSON is one of TOML.
    return "".join(
        f"{name} = {json.dumps(text, ensure_ascii=False)}\n"
        for name, text in given.items() if text is not None
    )  # fmt: skip
