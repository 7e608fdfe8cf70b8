"""The settings of webhooks and notices, a part of the class ``Settings`` of all settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from broadcast import redaction
from broadcast.day import in_seconds, parse_duration
from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.rules import notices
from broadcast.rules import webhooks as urls
from broadcast.rules.accounts import Account
from broadcast.rules.notices import Receiver
from broadcast.rules.webhooks import Network, parse_networks, parse_secrets
from broadcast.settings.environment import secret_text

SECRETS: Final = "BROADCAST_WEBHOOK_SECRETS"
NOTIFY: Final = "BROADCAST_NOTIFY"
TIMEOUT: Final = "BROADCAST_WEBHOOK_TIMEOUT"
#: Seconds that a receiver has to answer.
TIMEOUT_S: Final = 10
#: A comment line in a file of addresses.
_COMMENT: Final = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


class WebhookSettings(BaseSettings):
    """Receiver of webhooks, secrets that sign them, and networks that may be reached."""

    notify_url: str | None = None
    webhook_secrets: SecretStr | None = None
    webhook_secrets_file: Path | None = None
    #: Private networks that receivers may be in; there plain HTTP is allowed, too.
    webhook_networks: str = ""
    webhook_timeout_s: Annotated[
        int,
        Field(ge=1, le=60, validation_alias=AliasChoices(TIMEOUT, TIMEOUT.lower())),
        BeforeValidator(in_seconds),
    ] = TIMEOUT_S

    #: Where notices go: URLs of bots (``broadcast.rules.notices``).
    notify: SecretStr | None = None
    notify_file: Path | None = None
    #: How long after its post a notice that asks for a person is posted again; 0: never.
    notify_again: Annotated[timedelta, BeforeValidator(parse_duration)] = timedelta(minutes=30)

    @field_validator("webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        for secret in () if value is None else parse_secrets(value.get_secret_value()):
            redaction.remember(secret.get_secret_value())
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @property
    def allowed_networks(self) -> Sequence[Network]:
        """The private networks that a webhook may reach."""
        return parse_networks(self.webhook_networks)

    def signing_secrets(self) -> tuple[SecretStr, ...]:
        """Return the secrets, newest first; none where none are set. Raises SettingsError.

        A file is read anew each time: a new secret needs no restart.
        """
        path = self.webhook_secrets_file
        text = _text_of(self.webhook_secrets, path, SECRETS)
        if text is None:
            return ()
        try:
            secrets = parse_secrets(text)
        except ValueError:
            problem = SettingsError(f"error.settings.{SECRETS}", name=path)
        else:
            for secret in secrets:
                redaction.remember(secret.get_secret_value())
            return secrets
        raise problem

    def receivers(self) -> dict[str, Receiver]:
        """Return the receivers of notices by name, none of an empty file. Raises SettingsError.

        Lines that begin with ``#`` are comments. A worker reads them once, at its start.
        """
        text = _COMMENT.sub("", _text_of(self.notify, self.notify_file, NOTIFY) or "")
        found: dict[str, Receiver] = {}
        for n, url in enumerate(filter(None, re.split(r"[,\uff0c\s]+", text)), start=1):
            problem = self.receiver_problem(url)
            if problem is not None:
                inside = "_inside" if problem.id == "webhook.url.private" else ""
                raise SettingsError(
                    f"error.settings.{NOTIFY}{inside}",
                    name=self.notify_file or NOTIFY,
                    n=n,
                    problem=problem,
                )
            one = notices.receiver_of(url)
            for secret in one.secrets():
                redaction.remember(secret)
            found[one.name] = one
        return found

    def receiver_problem(self, url: str) -> Message | None:
        """Return why nothing can be posted to *url*, as the end of a sentence; None: it can."""
        if url.partition(":")[0] not in notices.MAIL_SCHEMES:
            return urls.problem_of(url, self.allowed_networks)
        try:
            notices.mail_address(url)
        except ValueError:
            return Message("webhook.url.mail")
        return None

    def refuse_unreachable(self, accounts: Iterable[Account]) -> None:
        """Raise SettingsError for an account whose receiver may not be reached."""
        for account in accounts:
            url = account.notify_url
            problem = None if url is None else self.receiver_problem(url)
            if problem is not None:
                raise SettingsError(
                    "error.settings.notify_refused", account=account.name, problem=problem
                )


def _text_of(value: SecretStr | None, path: Path | None, name: str) -> str | None:
    """Return what the variable *name* or its file says; None: neither is set."""
    if value is not None and path is not None:
        raise SettingsError("error.settings.two_places", name=name)
    if path is None:
        return None if value is None else value.get_secret_value()
    # Whoever takes the last address out wants no notices.
    return secret_text(path, name, may_be_empty=name == NOTIFY)
