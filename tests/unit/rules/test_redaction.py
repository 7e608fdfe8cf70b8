"""What is a secret is masked, what is not stays readable."""

from __future__ import annotations

import io
import logging
import time
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import redaction
from broadcast.redaction import MASK, redact, remember

SECRET = "s3cr3t/VALUE=="


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    redaction.forget_all()
    yield
    redaction.forget_all()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "GET /cgi-bin/token?appid=wx1&secret=abc&x=1",
            "GET /cgi-bin/token?appid=wx1&secret=***&x=1",
        ),
        ("?access_token=81_Zk-_x HTTP/1.1", "?access_token=*** HTTP/1.1"),
        ("next=%3Faccess_token%3D81_Zk", "next=%3Faccess_token%3D***"),
        ('{"secret": "a,b c", "x": 1}', '{"secret": "***", "x": 1}'),
        ('{"secret": "with \\" quote", "x": 1}', '{"secret": "***", "x": 1}'),
        ("{'access_token': 'abc'}", "{'access_token': '***'}"),
        (r'"{\"appsecret\": \"abc\"}"', r'"{\"appsecret\": \"***\"}"'),
        ("WECHAT_APPSECRET=abc", "WECHAT_APPSECRET=***"),
        ("AppSecret: abc", "AppSecret: ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic dTpw'}", "{'Authorization': 'Basic ***'}"),
        ("sent Bearer abcdefgh1", "sent Bearer ***"),
        ("postgresql+psycopg://me:p@ss/w:rd@db:5432/x", "postgresql+psycopg://me:***@db:5432/x"),
        ("redis://:pw@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("amqp://u:p@a//;amqp://u:q@b//", "amqp://u:***@b//"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "access_token missing rid: 653bb509-24e6f87d-3904c018",
        "invalid credential, access_token is invalid or not latest",
        "https://api.weixin.qq.com:443 answered after 12 ms",
        "see http://a.b/c?x=1 or write to someone@example.com",
        "secret=SecretStr('**********')",
        "the secret was frozen",
        "account default: 3 batches, 28 of 30 calls left",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_known_secret_is_masked_wherever_it_stands() -> None:
    remember(SECRET)
    assert redact(f"x{SECRET}y{SECRET}") == "x***y***"
    assert redact("in a URL: s3cr3t%2FVALUE%3D%3D") == "in a URL: ***"


def test_the_longer_of_two_secrets_leaves_no_tail() -> None:
    remember("abcdefgh")
    remember("abcdefghijkl")
    assert redact("abcdefghijkl abcdefgh") == "*** ***"


def test_short_values_are_not_remembered() -> None:
    remember("abc12")
    assert redact("abc12") == "abc12"


def test_many_secrets_may_begin_alike() -> None:
    for number in range(300):
        remember(f"82_secret-{number:05d}")
    assert redact("x82_secret-00299x82_secret-00000x") == "x***x***x"


def test_the_registry_is_bounded_and_forgets_the_oldest() -> None:
    for number in range(redaction.CAPACITY + 1):
        remember(f"{number:05d}-secret")
    assert redact("00000-secret") == "00000-secret"
    assert redact(f"{redaction.CAPACITY:05d}-secret") == MASK
    assert len(redaction._registry._values) == redaction.CAPACITY


@given(st.text(), st.text(min_size=6), st.text())
def test_no_text_around_it_saves_a_known_secret(before: str, secret: str, after: str) -> None:
    redaction.forget_all()
    remember(secret)
    clean = redact(before + secret + after)
    assert secret not in clean or secret in before + MASK + after


@pytest.mark.parametrize("text", ["://a:" * 60_000, 'secret="' * 40_000, "a" * 300_000, "@" * 9999])
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    redact(text)
    assert time.perf_counter() - started < 60


# Logging --------------------------------------------------------------------------------------


def fail(error: Exception) -> None:
    raise error


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A logger that nobody prepared, below a guard that is installed."""
    redaction.install()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("someone.elses")
    logger.addHandler(handler)
    logger.propagate = False
    yield written
    logger.removeHandler(handler)
    logger.propagate = True
    redaction.uninstall()


def test_message_and_arguments_are_masked_in_every_logger(log: io.StringIO) -> None:
    remember(SECRET)
    logger = logging.getLogger("someone.elses")
    logger.warning("a %s and %s", SECRET, "access_token=abc")
    logger.warning("mapping %(x)s", {"x": SECRET})
    logger.warning(SECRET)
    assert log.getvalue() == "a *** and access_token=***\nmapping ***\n***\n"


def test_a_bad_format_shows_no_secret(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    remember(SECRET)
    logging.getLogger("someone.elses").warning("%d", SECRET)
    assert SECRET not in log.getvalue() + capsys.readouterr().err
    assert MASK in log.getvalue()


def test_a_traceback_shows_no_secret(log: io.StringIO) -> None:
    remember(SECRET)
    try:
        fail(ValueError(f"connecting to redis://:{SECRET}@host failed"))
    except ValueError:
        logging.getLogger("someone.elses").exception("it failed")
    assert "ValueError" in log.getvalue()
    assert SECRET not in log.getvalue()


def test_harmless_records_keep_arguments_and_traceback(log: io.StringIO) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign,assignment]
    logger = logging.getLogger("someone.elses")
    logger.addHandler(handler)
    try:
        fail(ValueError("harmless"))
    except ValueError:
        logger.exception("batch %d", 3)
    logger.removeHandler(handler)
    assert records[0].args == (3,)
    assert records[0].exc_info is not None
    assert log.getvalue().count("ValueError: harmless") == 1


def test_warnings_are_masked(log: io.StringIO) -> None:
    remember(SECRET)
    shown = warnings.formatwarning(f"old URL {SECRET}", UserWarning, "x.py", 1)
    assert SECRET not in shown
    assert "UserWarning" in shown


def test_install_twice_is_install_once() -> None:
    before = logging.getLogRecordFactory(), warnings.formatwarning
    redaction.install()
    redaction.install()
    redaction.uninstall()
    assert (logging.getLogRecordFactory(), warnings.formatwarning) == before
