"""The settings of webhooks, a part of :class:`~broadcast.settings.program_settings.Settings`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from broadcast import redaction
from broadcast.day import in_seconds
from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.rules import webhooks as urls
from broadcast.rules.accounts import Account
from broadcast.rules.webhooks import Network, parse_networks, parse_secrets

SECRETS: Final = "BROADCAST_WEBHOOK_SECRETS"
#: Seconds that a receiver has to answer.
TIMEOUT_S: Final = 10


def _env(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class WebhookSettings(BaseSettings):
    """Receiver of webhooks, secrets that sign them, and networks that may be reached."""

    notify_url: str | None = Field(None, validation_alias=_env("WECHAT_NOTIFY_URL"))
    webhook_secrets: SecretStr | None = Field(None, validation_alias=_env(SECRETS))
    webhook_secrets_file: Path | None = Field(None, validation_alias=_env(f"{SECRETS}_FILE"))
    #: Private networks that receivers may be in; there plain HTTP is allowed, too.
    webhook_networks: str = Field("", validation_alias=_env("BROADCAST_WEBHOOK_NETWORKS"))
    webhook_timeout_s: Annotated[int, Field(ge=1, le=60), BeforeValidator(in_seconds)] = Field(
        TIMEOUT_S, validation_alias=_env("BROADCAST_WEBHOOK_TIMEOUT")
    )

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
        if self.webhook_secrets is not None and self.webhook_secrets_file is not None:
            raise SettingsError("error.settings.two_webhook_secrets", name=SECRETS)
        secrets = self._of_file() if self.webhook_secrets_file else self._of_variable()
        for secret in secrets:
            redaction.remember(secret.get_secret_value())
        return secrets

    def _of_variable(self) -> tuple[SecretStr, ...]:
        given = self.webhook_secrets
        return () if given is None else parse_secrets(given.get_secret_value())

    def _of_file(self) -> tuple[SecretStr, ...]:
        path, variable = self.webhook_secrets_file, f"{SECRETS}_FILE"
        assert path is not None
        try:
            return parse_secrets(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            problem = SettingsError("error.settings.secret_file", path=path, variable=variable)
        except ValueError:
            problem = SettingsError(f"error.settings.{SECRETS}", name=path)
        # Outside the handlers: their errors can hold what stands in the file.
        raise problem

    def receiver_problem(self, url: str) -> Message | None:
        """Return why nothing can be posted to *url*, as the end of a sentence; None: it can."""
        return urls.problem_of(url, self.allowed_networks)

    def refuse_unreachable(self, accounts: Iterable[Account]) -> None:
        """Raise SettingsError for an account whose receiver may not be reached."""
        for account in accounts:
            url = account.notify_url
            problem = None if url is None else self.receiver_problem(url)
            if problem is not None:
                raise SettingsError(
                    "error.settings.notify_refused", account=account.name, problem=problem
                )
