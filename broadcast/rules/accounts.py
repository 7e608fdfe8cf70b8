"""Accounts: who sends, with which AppSecret, at which pace."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from broadcast import day, redaction
from broadcast.errors import PlanError, SettingsError, refuse_pipe
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules import hand_calls
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.pushes import RESUBSCRIBE, Action, Answer, Keywords, Replies, Words
from broadcast.rules.webhooks import form_problem

#: Where WeChat asks an account's administrator first, they have so long (WeChat page Batch_Sends).
ANSWERS_WITHIN: Final = timedelta(minutes=30)
DEFAULT = "default"
#: The account of the demo and of `broadcast up --simulator`.
TRIAL = "demo"
API_BASE = "https://api.weixin.qq.com"
TokenMode: TypeAlias = Literal["stable", "classic"]
TOKEN_MODE: Final = "stable"  # noqa: S105 - a mode's name
CallsPerMinute: TypeAlias = Annotated[int, Field(ge=0, le=6000)]
#: WeChat's own limit of mass/send; 0 is no pacing.
CALLS_PER_MINUTE: Final = 60
#: Each may stand in a file of its own.
SECRETS: Final = ("appsecret", "callback_token", "encoding_aes_key")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_LIKE_APPID = re.compile(r"wx[0-9a-f]{16}", re.IGNORECASE)
_LIKE_APPSECRET = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)


def _of_form(pattern: str) -> AfterValidator:
    """Return the check of a secret's form."""

    def check(value: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, value.get_secret_value()):
            raise ValueError("of another form")
        return value

    return AfterValidator(check)


def _of_a_receiver(value: str) -> str:
    if form_problem(value):
        raise ValueError("notify_url")
    return value


class AccountKind(StrEnum):
    """Kind of an account, with WeChat's rights (WeChat page Batch_Sends)."""

    SERVICE = "service"  #: verified service account: about 100 mass/send calls a day
    SUBSCRIPTION = "subscription"  #: one sendall a day, no mass/send
    TEST = "test"  #: 测试号: small tests by OpenID


class Account(BaseModel):
    """One official account. Its AppSecret prints as asterisks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    appid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{6,64}$")]
    appsecret: Annotated[SecretStr, Field(min_length=6, max_length=256)]
    account_kind: AccountKind = AccountKind.SERVICE
    # One "@" at most, and before the host: a password that is not escaped would be printed.
    api_base: Annotated[str, Field(pattern=r"^https?://([^/?#@\s]*@)?[^/?#@\s]+(/[^?#@\s]*)?$")] = (
        API_BASE
    )
    token_mode: TokenMode = TOKEN_MODE
    calls_per_minute: CallsPerMinute = CALLS_PER_MINUTE
    #: mass/send and mass/sendall count against one daily number of calls.
    shared_quota: bool = True
    #: WeChat asks the administrator before a call to everybody goes out (群发保护).
    send_protection: bool = False
    #: Whom `broadcast preview --group NAME` goes to.
    preview_groups: Annotated[hand_calls.Groups, BeforeValidator(hand_calls.groups)] = Field(
        default_factory=dict
    )
    #: Who gets webhooks of broadcasts that name no receiver of their own.
    notify_url: Annotated[str, AfterValidator(_of_a_receiver)] | None = None
    #: What the account's page at WeChat calls Token and EncodingAESKey.
    callback_token: Annotated[SecretStr, _of_form(r"[A-Za-z0-9]{3,32}")] | None = None
    encoding_aes_key: Annotated[SecretStr, _of_form(r"[A-Za-z0-9]{43}")] | None = None
    #: None: a follower unsubscribes at WeChat alone.
    unsubscribe_words: Words = ()
    resubscribe_words: Words = RESUBSCRIBE
    unsubscribe_reply: Answer | None = None
    resubscribe_reply: Answer | None = None
    replies: Replies = ()

    def keywords(self, *, unsubscribed: str, resubscribed: str) -> Keywords:
        """Return what a follower's word does, with these answers where no other is set.

        Raises SettingsError where a word has two meanings.
        """
        try:
            return Keywords.from_settings(
                unsubscribe=self.unsubscribe_words,
                resubscribe=self.resubscribe_words,
                replies=self.replies,
                answers={
                    Action.UNSUBSCRIBE: self.unsubscribe_reply or unsubscribed,
                    Action.RESUBSCRIBE: self.resubscribe_reply or resubscribed,
                },
            )
        except KeyError as error:
            problem = SettingsError("error.settings.keyword", account=self.name, word=error.args[0])
        raise problem

    def asked(self, at: datetime) -> Sequence[Message]:
        """Return until when WeChat waits for the administrator if a call to everybody goes *at*."""
        if not self.send_protection:
            return ()
        return [Message("notice.administrator_asked", account=self.name, until=at + ANSWERS_WITHIN)]

    def drifted(self) -> Message:
        """Return the warning that another program replaces the access_token, with its fix."""
        # With stable_token such a program still uses the other endpoint, or calls force_refresh.
        stable = self.token_mode == TOKEN_MODE
        return Message("token.drift" if stable else "token.drift_classic", account=self.name)


def make(name: str, /, **values: object) -> Account:
    """Build an account from raw values; raise :class:`SettingsError` naming the wrong one."""
    if not NAME.match(name):
        raise SettingsError("error.settings.account_name", name=name)
    if "name" in values:
        # The table's title is the name; two of them could differ.
        raise _wrong(name, "name")
    for secret in SECRETS:
        _read_secret(name, secret, values)
    given = {key: value for key, value in values.items() if value is not None}
    try:
        account = Account.model_validate({"name": name, **given})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        wrong, is_unknown = str(first["loc"][0]), first["type"] == "extra_forbidden"
    else:
        _check_not_swapped(account)
        # Where a word has two meanings, it is refused here.
        account.keywords(unsubscribed="", resubscribed="")
        for secret in SECRETS:
            if (value := getattr(account, secret)) is not None:
                redaction.remember(value.get_secret_value())
        return account
    raise _unknown_key(name, wrong) if is_unknown else _wrong(name, wrong)


def _unknown_key(account: str, name: str) -> SettingsError:
    """Return the error for a key of the accounts file; the environment has no unknown ones."""
    known = [key for key in Account.model_fields if key != "name"]
    known += [f"{secret}_file" for secret in SECRETS]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    # `kind` is nearer to nothing than to what it is the end of.
    near = near or [key for key in known if key.endswith(f"_{name}")][:1]
    message_id = "error.settings.account_key_near" if near else "error.settings.account_key"
    names = ", ".join(near or sorted(known))
    return SettingsError(message_id, account=account, name=name[:40], names=names)


def _check_not_swapped(account: Account) -> None:
    """An AppSecret in the AppID's place would be printed and kept in the ledger."""
    secret = account.appsecret.get_secret_value()
    if _LIKE_APPSECRET.fullmatch(account.appid) or _LIKE_APPID.fullmatch(secret):
        raise SettingsError("error.settings.swapped", account=account.name)


def _wrong(account: str, name: str) -> SettingsError:
    value = "keywords" if name in KEYWORDS else name
    message_id = _MISSING_OR_WRONG if name in _AT_WECHAT else f"error.settings.{value}"
    return SettingsError(message_id, account=account, name=name, variable=_variable(name))


def _variable(name: str) -> str:
    return f"WECHAT_{name.upper()}"


_MISSING_OR_WRONG: Final = "error.settings.account_value"
#: What the account is; it may be missing as well.
_AT_WECHAT: Final = frozenset({"appid", "appsecret"})
#: What a follower's words do, and the answers.
KEYWORDS: Final = frozenset(
    {
        "unsubscribe_words",
        "resubscribe_words",
        "unsubscribe_reply",
        "resubscribe_reply",
        "replies",
    }
)


def from_file(path: Path, *, api_base: str = API_BASE) -> dict[str, Account]:
    """Read ``[accounts.NAME]`` tables; keys are the environment's without ``WECHAT_``.

    *api_base* is that of each account that has none of its own.
    """
    try:
        refuse_pipe(path)
        text = path.read_bytes().decode("utf-8-sig")
        tables = tomllib.loads(text).get("accounts")
    except OSError:
        tables = None
        problem = SettingsError("error.settings.accounts_file_missing", path=path)
    except UnicodeDecodeError as error:
        tables = None
        problem = SettingsError(
            "error.settings.accounts_file_encoding", path=path, byte=error.start
        )
    except tomllib.TOMLDecodeError as error:
        # The parser's own words can quote the line, and the line can be a secret.
        tables = None
        line = _line_of(error) or text.count("\n") + 1
        problem = SettingsError("error.settings.accounts_file_toml", path=path, line=line)
    else:
        problem = SettingsError("error.settings.accounts_file_empty", path=path)
    if not isinstance(tables, dict) or not all(isinstance(v, dict) for v in tables.values()):
        raise problem
    if not tables:
        raise problem
    found = {name: make(name, **{"api_base": api_base} | each) for name, each in tables.items()}
    _check_own_appids(found)
    return found


def _line_of(error: tomllib.TOMLDecodeError) -> str | None:
    """Return on which line a file stops being TOML; None: at its end."""
    found = _PLACE.search(str(error))
    return found[1] if found else None


_PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)$")


def _check_own_appids(found: Mapping[str, Account]) -> None:
    """Two names would be two lanes to one account, and WeChat refuses parallel calls (42010)."""
    by_appid: dict[str, str] = {}
    for name, account in found.items():
        other = by_appid.setdefault(account.appid, name)
        if other != name:
            raise SettingsError("error.settings.same_appid", account=name, other=other)


def no_account() -> SettingsError:
    """Return the error that no account is known, with the ``.env`` that was looked at."""
    return SettingsError("error.settings.no_account", path=Path(".env").absolute())


def choose(accounts: Mapping[str, Account], name: str | None) -> Account:
    """Return the account called *name*, or the only one there is."""
    if not accounts:
        raise no_account()
    if name is None and len(accounts) == 1:
        return next(iter(accounts.values()))
    names = ", ".join(sorted(accounts))
    if name is None:
        raise SettingsError("error.settings.which_account", names=names)
    if name not in accounts:
        raise unknown(name, accounts)
    return accounts[name]


def unknown(name: str, known: Iterable[str]) -> SettingsError:
    """Return the error that there is no account *name*, with the one that looks like it or all."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return SettingsError(
        "error.settings.unknown_account", account=name, names=", ".join(near or names)
    )


def _read_secret(account: str, name: str, values: dict[str, object]) -> None:
    """Read a secret from a file of its own into its place."""
    file = values.pop(f"{name}_file", None)
    if file is None:
        return
    if values.get(name) is not None:
        # Whichever of them won, the other may be the one that was corrected last.
        raise SettingsError(
            "error.settings.two_secrets", account=account, name=name, variable=_variable(name)
        )
    path = Path(str(file))
    try:
        refuse_pipe(path)
        values[name] = SecretStr(path.read_text(encoding="utf-8-sig").strip())
    except (OSError, UnicodeDecodeError):
        variable = f"{_variable(name)}_FILE"
        problem = SettingsError("error.settings.secret_file", path=path, variable=variable)
    else:
        return
    raise problem


def paths_of(account: Account) -> tuple[SendPath, SendPath]:
    """Return both interfaces, first that of this kind of account, of whose calls WeChat speaks."""
    first, second = SendPath.MASS_SEND, SendPath.SENDALL
    return (second, first) if account.account_kind is AccountKind.SUBSCRIPTION else (first, second)


def check_kind_allows(account: Account, path: SendPath) -> None:
    """Raise PlanError where WeChat does not let accounts of this kind send so.

    A subscription account has no mass/send; a test account, no mass/sendall (WeChat page
    Batch_Sends, and what test accounts were seen to be answered).
    """
    if account.account_kind is AccountKind.SUBSCRIPTION and path is SendPath.MASS_SEND:
        raise PlanError("error.plan.account_kind", account=account.name)
    if account.account_kind is AccountKind.TEST and path is SendPath.SENDALL:
        raise PlanError("error.plan.test_account", account=account.name)


@frozen
class Allowance:
    """Number of WeChat's own sends in a period."""

    most: int
    #: In one month by Shanghai's calendar; else in one day.
    a_month: bool
    #: Sends to a tag count as well as those to everybody.
    tags_count: bool

    def begins(self, moment: datetime) -> datetime:
        """Return when the day or month began in which *moment* lies."""
        return day.month_start(moment) if self.a_month else day.start(moment)

    def ends(self, moment: datetime) -> datetime:
        """Return from when there are new ones."""
        return day.month_turn(moment) if self.a_month else day.turn(moment)


#: A service account's sends to OpenIDs and tags are limited per follower, by WeChat's filter.
ALLOWANCES: Final = {
    AccountKind.SERVICE: Allowance(most=4, a_month=True, tags_count=False),
    AccountKind.SUBSCRIPTION: Allowance(most=1, a_month=False, tags_count=True),
}
