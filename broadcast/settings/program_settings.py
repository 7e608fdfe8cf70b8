"""The settings: what the environment, ``.env`` and the accounts file say, checked at once.

Every wrong value is reported by its name with what is allowed; a secret is never echoed.
"""

from __future__ import annotations

import difflib
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.rules import accounts
from broadcast.rules.accounts import Account, AccountKind, CallsPerMinute, TokenMode
from broadcast.rules.calls.waits import CircuitBreaker, Tuning, Waits
from broadcast.rules.gates.lateness import LATE_BY, parse_late_by
from broadcast.rules.plan.cut import LARGEST, SMALLEST
from broadcast.settings import environment, installed_copies, server_urls
from broadcast.settings.process_settings import ProcessSettings
from broadcast.settings.question_settings import QuestionSettings
from broadcast.settings.server_urls import (
    AMQP_OPTION,
    BROKER_SCHEMES,
    OPTION,
    REDIS_SCHEMES,
    any_torn,
    checked_database,
    checked_servers,
    torn,
)
from broadcast.settings.webhook_settings import WebhookSettings

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
#: In a checkout all processes share one `var/`; no worker looks in that of a `site-packages`.
IS_CHECKOUT = (ROOT / "pyproject.toml").is_file()
#: The folder of `broadcast up`, and where it leaves the URL of its embedded Valkey.
UP = VAR / "up"
UP_REDIS = UP / "redis.url"
#: Where `broadcast up --simulator` leaves the simulator's account, for where none is set, and the
#: database that its worker looks in: no other program may send from that account.
UP_ACCOUNTS = UP / "simulator.toml"
UP_DATABASE = UP / "database.url"
#: Where Redis is looked for when no setting says where it is.
USUAL_REDIS = "redis://localhost:6379/0"


def _default_redis() -> SecretStr:
    """Return the Valkey of a running `broadcast up`, else the usual place."""
    try:
        return SecretStr(UP_REDIS.read_text(encoding="ascii"))
    except OSError:
        return SecretStr(USUAL_REDIS)


def _named_so(variable: str) -> AliasChoices:
    return AliasChoices(variable, variable.lower())


def _is_of_account(field: str) -> bool:
    """Return whether a setting is the key of an account, or names the file of one."""
    return field.removesuffix("_file") in Account.model_fields


def _variable(field: str) -> AliasChoices:
    """Return the name of a setting's variable, where the setting itself does not name another."""
    return _named_so(("WECHAT_" if _is_of_account(field) else "BROADCAST_") + field.upper())


class Settings(WebhookSettings, QuestionSettings, ProcessSettings):
    """Settings of a process, read once where it is wired."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        case_sensitive=False,
        alias_generator=AliasGenerator(validation_alias=_variable),
    )

    appid: str | None = None
    appsecret: SecretStr | None = None
    appsecret_file: Path | None = None
    account_kind: AccountKind = AccountKind.SERVICE
    api_base: str = accounts.API_BASE
    token_mode: TokenMode = accounts.TOKEN_MODE
    calls_per_minute: CallsPerMinute = accounts.CALLS_PER_MINUTE
    shared_quota: bool = True
    send_protection: bool = False
    preview_groups: str | None = None
    #: Of the callback server; the account checks them.
    callback_token: SecretStr | None = None
    callback_token_file: Path | None = None
    encoding_aes_key: SecretStr | None = None
    encoding_aes_key_file: Path | None = None
    unsubscribe_words: str | None = None
    resubscribe_words: str | None = None
    unsubscribe_reply: str | None = None
    resubscribe_reply: str | None = None
    replies: str | None = None
    #: Read where a process begins, since texts are needed before settings; here it is checked.
    lang: Literal["zh", "en"] | None = None
    accounts_file: Path | None = None
    batch_size: Annotated[int, Field(ge=SMALLEST, le=LARGEST)] = LARGEST
    database_url: Annotated[SecretStr, Field(validation_alias=_named_so("DATABASE_URL"))] = (
        SecretStr(f"sqlite:///{VAR / 'broadcast.db'}")
    )
    redis_url: SecretStr = Field(
        default_factory=_default_redis, validation_alias=_named_so("REDIS_URL")
    )
    broker_url: Annotated[
        SecretStr | None, Field(validation_alias=_named_so("CELERY_BROKER_URL"))
    ] = None
    redis_prefix: Annotated[str, Field(max_length=40)] = ""
    #: Longest text of a mass send in characters: 45002 above 600, the console's help says 300.
    text_limit: Annotated[int, Field(ge=1, le=20_000)] = 600
    #: Multiplies every wait of ours, for trials against the simulator: 60 s become 1 s at 0.0167.
    wait_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    #: How often a batch refused for its recipients is halved to find the bad one; each half is a
    #: call.
    split_depth: Annotated[int, Field(ge=0, le=13)] = 4
    #: So many batches of a broadcast refused with one errcode pause it; 0: never.
    pause_after_refusals: Annotated[int, Field(ge=0, le=1000)] = 3
    #: So many batches of an account in doubt stop it; 0: never.
    pause_after_doubts: Annotated[int, Field(ge=0, le=1000)] = 3
    #: Of the HTTP API (``broadcast.rules.api_keys``); the file is read again while the API runs.
    api_keys: SecretStr | None = None
    api_keys_file: Path | None = None
    #: A first call that comes later than this after it was due is held for a person.
    late_by: Annotated[timedelta, BeforeValidator(parse_late_by)] = LATE_BY
    #: Whether a message of the broker may ask for WeChat's own send to every follower.
    enqueue_to_all: bool = False
    #: 0: a draft goes out as WeChat has it by then, and nobody looks whether it was edited.
    watch_drafts: Annotated[int, Field(ge=0, le=1)] = 1

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - pydantic calls it so
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read ``.env`` for what the environment does not name, and the files of URLs."""
        del file_secret_settings
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        named = {name.lower() for name in os.environ}
        dotenv_settings.env_vars = {
            name: value
            for name, value in dotenv_settings.env_vars.items()
            if name.lower() not in named
        }
        files = InitSettingsSource(
            settings_cls, init_kwargs=environment.of_files(environment.URLS, environment.read())
        )
        return init_settings, files, env_settings, dotenv_settings

    @field_validator("api_base", "database_url", "redis_url", "broker_url")
    @classmethod
    def _login_is_whole(
        cls, value: str | SecretStr | None, field: ValidationInfo
    ) -> str | SecretStr | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
        # A `;` in the database's password is its own. REDIS_URL is the broker's, too.
        brokers = field.field_name in {"redis_url", "broker_url"}
        if (any_torn if brokers else torn)(text):
            raise PydanticCustomError(_LOGIN, "login")
        return value

    @field_validator("api_base")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError("api_base")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: SecretStr) -> SecretStr:
        return checked_database(value)

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        if ";" in value.get_secret_value():
            # Celery, whose broker it is as well, would take it for several.
            raise ValueError("redis_url")
        return checked_servers(value, REDIS_SCHEMES)

    @field_validator("broker_url")
    @classmethod
    def _is_broker(cls, value: SecretStr | None) -> SecretStr | None:
        return value and checked_servers(value, BROKER_SCHEMES)

    @classmethod
    def load(cls) -> Self:
        """Read the environment and ``.env``; raise :class:`SettingsError` naming a wrong value."""
        try:
            _refuse_empty()
            found = cls()
        except ValidationError as error:
            problem = _torn_login(error) or _named(error)
        else:
            is_guessed = found.redis_is_guessed or "database_url" not in found.model_fields_set
            if is_guessed and not IS_CHECKOUT:
                installed_copies.refuse_in_checkout(ROOT)
            return found
        raise problem

    @property
    def redis_is_guessed(self) -> bool:
        """True if nobody said where Redis is, and no `broadcast up` runs that left its place."""
        guess = self.redis_url.get_secret_value() == USUAL_REDIS
        return guess and "redis_url" not in self.model_fields_set

    def database(self) -> str:
        """Return the database's URL with its password.

        Raises SettingsError where nobody said which one, and this is no checkout.
        """
        if not IS_CHECKOUT and "database_url" not in self.model_fields_set:
            raise SettingsError(
                "error.settings.no_database", name="DATABASE_URL", path=Path(".env").resolve()
            )
        return self.database_url.get_secret_value()

    @property
    def celery_broker_url(self) -> str:
        """The broker's URL with its password, for Celery alone."""
        return server_urls.for_celery((self.broker_url or self.redis_url).get_secret_value())

    @property
    def result_backend(self) -> str:
        """Result backend: Celery leaves the id of a program's broadcast there."""
        return server_urls.for_celery(self.redis_url.get_secret_value())

    def waits(self) -> Waits:
        """Return the waits between calls."""
        return Waits(self.wait_scale)

    def tuning(self) -> Tuning:
        """Return what follows from a call, as far as it is set. Raises SettingsError."""
        breaker = CircuitBreaker(refusals=self.pause_after_refusals, doubts=self.pause_after_doubts)
        return Tuning(
            waits=self.waits(),
            split_depth=self.split_depth,
            watch_drafts=bool(self.watch_drafts),
            breaker=breaker,
            protected=frozenset(n for n, one in self._accounts().items() if one.send_protection),
        )

    def accounts(self) -> dict[str, Account]:
        """Return the accounts by name; raise :class:`SettingsError` on a wrong file or secret."""
        found = self._accounts()
        self.refuse_unreachable(found.values())
        return found

    def _accounts(self) -> dict[str, Account]:
        if self.accounts_file is not None:
            # Who points it at a simulator means every account, those of a file too.
            return accounts.from_file(self.accounts_file, api_base=self.api_base)
        if self.appid is None and self.appsecret is None and self.appsecret_file is None:
            return accounts.from_file(UP_ACCOUNTS) if self._is_of_up() else {}
        given = {
            name: getattr(self, name) for name in type(self).model_fields if _is_of_account(name)
        }
        return {accounts.DEFAULT: accounts.make(accounts.DEFAULT, **given)}

    def _is_of_up(self) -> bool:
        """Return whether a `broadcast up --simulator` runs on this database."""
        try:
            database = UP_DATABASE.read_text("utf-8")
        except OSError:
            return False
        return database == self.whole_database_url and UP_ACCOUNTS.is_file()

    @property
    def whole_database_url(self) -> str:
        """The database's URL with its password, the same in whichever folder it is read."""
        url = self.database_url.get_secret_value()
        beginning, slashes, file = url.partition(":///")
        if not (beginning.startswith("sqlite") and file):
            return url
        return f"{beginning}{slashes}{Path(file).resolve()}"

    def left_out(self) -> Message | None:
        """Return a warning if the accounts file lacks the account of the variables.

        Raises SettingsError on a wrong file.
        """
        if self.accounts_file is None or self.appid is None:
            return None
        if self.appid in {account.appid for account in self.accounts().values()}:
            return None
        return Message(
            "settings.left_out",
            appid=self.appid,
            file="BROADCAST_ACCOUNTS_FILE",
            variable="WECHAT_APPID",
            path=self.accounts_file,
        )

    def account(self, name: str | None) -> Account:
        """Return the account called *name*; with one account the name may be left out."""
        return accounts.choose(self.accounts(), name)


def variables() -> set[str]:
    """Return the names of all variables that settings are read from."""
    fields = {_alias(field) for field in Settings.model_fields.values()}
    return fields | {f"{name}_FILE" for name in environment.URLS}


def _refuse_empty() -> None:
    """Raise SettingsError for a variable that is set to nothing.

    A script that lost a value must not send with another one: that of ``.env``, or a default.
    """
    # An empty one of the environment hides that of `.env`.
    given = {**environment.written(), **os.environ}
    known = variables() | environment.NO_SETTINGS
    for name, value in given.items():
        if name.upper() in known and not (value or "").strip():
            raise SettingsError("error.settings.empty", name=name)


def misspelt() -> dict[str, str]:
    """Return the variables that look like a setting and are none, each with the one it is near.

    Other programs have variables with these beginnings too, so one that is near none, or near one
    that is set, is left alone. Raises SettingsError.
    """
    given = _names_in_use()
    return {name: near for name, near in like_settings().items() if near not in given}


def like_settings() -> dict[str, str]:
    """Return the same with those that are near one that is set. Raises SettingsError."""
    known = variables() | environment.NO_SETTINGS
    unknown = sorted(name for name in _names_in_use() - known if name.startswith(_OURS))
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=_NEAR) for name in unknown}
    return {name: found[0] for name, found in near.items() if found}


def _names_in_use() -> set[str]:
    """Return the variables of the environment and of ``.env``."""
    return {name.upper() for name in (*os.environ, *environment.written())}


#: How alike names of one variable are, 0 to 1: WECHAT_TOKEN, of others, is no WECHAT_TOKEN_MODE.
_NEAR = 0.85
_OURS = ("BROADCAST_", "WECHAT_")


def _alias(field: FieldInfo) -> str:
    alias = field.validation_alias
    assert isinstance(alias, AliasChoices)
    return str(alias.choices[0])


_LOGIN: Final = "login"


def _torn_login(error: ValidationError) -> SettingsError | None:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] != _LOGIN:
        return None
    return SettingsError("error.settings.login", name=str(first["loc"][0]).upper())


def _named(error: ValidationError) -> SettingsError:
    """Report the first wrong value by the name that the person wrote."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]).upper()
    if (kind := first["type"]) in {OPTION, AMQP_OPTION}:
        return SettingsError(f"error.settings.{kind}", name=name, options=first["ctx"]["options"])
    return SettingsError(f"error.settings.{name}", name=name)
