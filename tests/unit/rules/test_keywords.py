"""Keywords: which message unsubscribes, which is answered, and which is neither."""

from __future__ import annotations

import pytest

from broadcast.errors import SettingsError
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.rules.pushes import Action, Keywords, MessageMeaning

APPID = "wx0123456789abcdef"
ON = {"unsubscribe_words": ["退订", "TD"]}


def account(**values: object) -> Account:
    return accounts.make("shop", appid=APPID, appsecret="S3cret-0123456789", **values)


def rules(**values: object) -> Keywords:
    return account(**values).keywords(unsubscribed="bye", resubscribed="hello")


def refused(**values: object) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        account(**values)
    return caught.value


def test_no_word_does_anything_unless_it_is_set() -> None:
    heard = {rules().meaning_of(text) for text in ("退订", "TD", "订阅", "")}

    assert heard == {MessageMeaning()}


@pytest.mark.parametrize("text", ["退订", " 退订\n", "TD", "td", "ＴＤ", "Td　"])
def test_a_keyword_unsubscribes_however_it_is_typed(text: str) -> None:
    assert rules(**ON).meaning_of(text) == MessageMeaning(action=Action.UNSUBSCRIBE, reply="bye")


@pytest.mark.parametrize("text", ["怎么退订", "退订了吗", "T D", "不想退订", "", "退" * 5000])
def test_what_only_contains_a_keyword_is_none(text: str) -> None:
    assert rules(**ON).meaning_of(text) == MessageMeaning()


def test_a_word_undoes_it() -> None:
    assert rules(**ON).meaning_of("订阅").action is Action.RESUBSCRIBE
    again = rules(**ON, resubscribe_words=["回来"], resubscribe_reply="好久不见")
    assert again.meaning_of("订阅") == MessageMeaning()
    assert again.meaning_of("回来") == MessageMeaning(action=Action.RESUBSCRIBE, reply="好久不见")


def test_any_word_may_have_an_answer() -> None:
    found = rules(replies={"营业时间": "9:00 至 18:00", "WIFI": "guest"})

    assert found.meaning_of("营业时间") == MessageMeaning(reply="9:00 至 18:00")
    assert found.meaning_of("wifi") == MessageMeaning(reply="guest")


def test_the_environment_has_words_with_commas_and_a_json_object() -> None:
    found = rules(unsubscribe_words="退订，TD, 取消", replies='{"你好": "您好"}')

    assert set(found.by_word) == {"退订", "td", "取消", "订阅", "你好"}


@pytest.mark.parametrize(
    "values",
    [
        {**ON, "replies": {"td": "x"}},
        {**ON, "resubscribe_words": ["ＴＤ"]},
        {"replies": {"a": "x", "A": "y"}},
    ],
)
def test_a_word_with_two_meanings_is_refused(values: dict[str, object]) -> None:
    error = refused(**values)

    assert error.message_id == "error.settings.keyword"
    assert error.facts["account"] == "shop"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unsubscribe_words", 1),
        ("unsubscribe_words", ","),
        ("unsubscribe_words", "， ,"),
        ("unsubscribe_words", ["x" * 33]),
        ("unsubscribe_words", {"a": "b"}),
        ("resubscribe_words", [1]),
        ("unsubscribe_reply", " "),
        ("unsubscribe_reply", "字" * 683),
        ("resubscribe_reply", ""),
        ("replies", "{"),
        ("replies", "[1]"),
        ("replies", {"a": ""}),
        ("replies", {"": "b"}),
        ("replies", {"a": 1}),
        ("replies", {"a": "字" * 683}),
    ],
)
def test_a_rule_that_cannot_be_is_named(name: str, value: object) -> None:
    error = refused(**{name: value})

    assert error.message_id == "error.settings.keywords"
    assert (error.facts["name"], error.facts["variable"]) == (name, f"WECHAT_{name.upper()}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("callback_token", "t7"),
        ("callback_token", "a" * 33),
        ("callback_token", "abc\n"),
        ("callback_token", "令牌令牌"),
        ("encoding_aes_key", "a" * 42),
        ("encoding_aes_key", "a" * 44),
        ("encoding_aes_key", "a" * 42 + "="),
    ],
)
def test_a_secret_of_another_form_is_named_and_not_shown(name: str, value: str) -> None:
    error = refused(**{name: value})

    assert error.message_id == f"error.settings.{name}"
    assert value not in str(error)


def test_secrets_of_the_callback_server_are_not_printed() -> None:
    made = account(callback_token="Tok3nTok3n", encoding_aes_key="a" * 43)

    assert "Tok3n" not in repr(made)
    assert "a" * 43 not in repr(made)
