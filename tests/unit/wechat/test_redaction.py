"""What is secret in a call is masked in its errors and log lines, what is not stays readable."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from broadcast.wechat.call_errors import NO_SECRETS, LogFilter, Secrets, of_url

SECRET = "s3cr3t/VALUE=="


def secrets(*values: str) -> Secrets:
    return Secrets(map(SecretStr, values))


def test_a_secret_is_masked_wherever_and_however_it_stands() -> None:
    mask = secrets(SECRET).mask
    assert mask(f"x{SECRET}y{SECRET}") == "x***y***"
    assert mask("in a URL: s3cr3t%2FVALUE%3D%3D") == "in a URL: ***"
    assert SECRET not in repr(secrets(SECRET))


def test_the_longer_of_two_secrets_leaves_no_tail() -> None:
    assert secrets("abcdefgh", "abcdefghijkl").mask("is abcdefghijkl here") == "is *** here"


def test_a_short_secret_blanks_no_word() -> None:
    assert secrets("a", "").mask("banana") == "banana"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("?access_token=81_Zk-_x HTTP/1.1", "?access_token=*** HTTP/1.1"),
        ("appid=wx1&secret=abc&x=1", "appid=wx1&secret=***&x=1"),
        ("next=%3Faccess_token%3D81_Zk", "next=%3Faccess_token%3D***"),
        ('{"access_token": "81_Zk", "x": 1}', '{"access_token": "***", "x": 1}'),
        ("http://me:p@ss/w:rd@relay:80/x", "http://me:***@relay:80/x"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, clean: str) -> None:
    assert NO_SECRETS.mask(text) == clean
    assert NO_SECRETS.mask(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "access_token missing rid: 653bb509-24e6f87d-3904c018",
        "invalid credential, access_token is invalid or not latest",
        "https://api.weixin.qq.com:443 answered after 12 ms",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert NO_SECRETS.mask(text) == text


def test_the_password_of_a_url_is_known_in_every_form() -> None:
    mask = Secrets(of_url(SecretStr("http://user:pass%40word@host/x"))).mask
    for form in ("pass%40word", "pass@word", "dXNlcjpwYXNzQHdvcmQ="):
        assert mask(f"<{form}>") == "<***>"
    assert of_url(SecretStr("http://host/x")) == ()


def test_a_log_record_is_cleaned_with_its_traceback() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "to %s", (SECRET,), None)
    error = ValueError(SECRET)
    record.exc_info = (type(error), error, None)
    assert LogFilter(lambda: secrets(SECRET)).filter(record)
    shown = logging.Formatter().format(record)
    assert "ValueError: ***" in shown
    assert SECRET not in shown
    assert SECRET not in repr(record.__dict__)
