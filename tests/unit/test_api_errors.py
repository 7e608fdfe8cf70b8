"""The errors of the HTTP API: the table has each that the code can raise, and the page shows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from broadcast.views.texts import LANGUAGES, Language, _catalogue
from entrypoints.http import error_pages, problems
from tools import error_pages as tools_error_pages

ROOT = Path(__file__).resolve().parents[2]
#: They name errors and raise none.
TABLES = {"entrypoints.http.error_pages", "broadcast.errors"}
ERROR = re.compile(r"error\.[a-z_]+\.\w*\Z")
#: Its questions are errors where no terminal can be asked.
ASKED = "job_words"
#: What modules below the API can raise, and why no answer has it.
NEVER = {
    # Said where the process starts, or to the log.
    "error.api_keys.": "a server without good keys does not start, and later keeps those of before",
    "error.schema.": "the schema is checked at the start, and by /readyz in its own words",
    "error.database.memory": "the database is opened at the start",
    "error.database.option": "the database is opened at the start",
    "error.settings.BROADCAST_": "the environment is read at the start",
    "error.settings.WECHAT_": "the environment is read at the start",
    "error.settings.DATABASE_URL": "the environment is read at the start",
    "error.settings.REDIS_URL": "the environment is read at the start",
    "error.settings.CELERY_BROKER_URL": "the environment is read at the start",
    "error.settings.option": "the environment is read at the start",
    "error.settings.amqp_option": "the environment is read at the start",
    "error.settings.dotenv": "the environment is read at the start",
    "error.settings.empty": "the environment is read at the start",
    "error.settings.secret_file_empty": "the environment is read at the start",
    "error.settings.login": "the environment is read at the start",
    "error.settings.account_twice": "the environment is read at the start",
    # Asked before, with an error of the API's own.
    "error.settings.no_account": "error.api.which_account",
    "error.settings.which_account": "error.api.which_account",
    "error.settings.unknown_account": "error.api.no_account",
    "error.dead.unknown": "error.api.no_dead_letter",
    "error.dead.several": "error.api.no_dead_letter",
    "error.webhook.": "error.api.no_webhook",
    "error.recipients.set": "the form of the parameter",
    "error.resolve.msg_id": "the form of the body",
    "error.audience.gzip": "a packed list is refused by its first bytes",
    "error.audience.workbook": "a packed list is refused by its first bytes",
    "error.audience.sheets": "a packed list is refused by its first bytes",
    "error.audience.hidden_": "a packed list is refused by its first bytes",
    "error.audience.missing_file": "the list is in a file of the server's own",
    "error.audience.silent": "the list is in a file of the server's own",
    "error.audience.not_regular": "the list is in a file of the server's own",
    "error.audience.directory": "the list is in a file of the server's own",
    "error.audience.closed": "standard input of the command line",
    "error.audience.permission": "the list is in a file of the server's own",
    # Of other doors.
    "error.campaign.unknown": "error.api.no_campaign",
    "error.exclude.malformed": "a file of the command line, or of a run, which is held",
    "error.draft.maybe_added": "workers make drafts",
    "error.token.": "whoever starts the server calls WeChat, and answers without it",
    "error.wechat.": "whoever starts the server calls WeChat, and answers without it",
    "error.redis.": "whoever starts the server calls WeChat, and answers without it",
    "error.broker.away": "what is stored waits for the sweep, and is answered without it",
    "error.followers.replaced": "the command line reads WeChat's list of followers",
    "error.launch.drafts_": "why a worker holds a launch",
    "error.launch.not_as_shown": "why a worker holds a launch",
    "error.launch.not_begun": "a worker's log",
    "error.database.uncounted": "a worker's log",
    "error.dead.full": "the queue of the broker",
    "error.dead.to_all": "the queue of the broker",
    "error.dead.no_message": "the queue of the broker",
    "error.settings.copy_in_checkout": "the environment is read at the start",
    "error.settings.no_database": "the environment is read at the start",
    "error.at.unreadable_here": "the command line",
    "error.request.no_zone": "Python programs",
    "error.request.positional": "a dead letter says it inside error.dead.still",
    "error.article.": "Markdown files of the command line",
    "error.media.missing": "files of the command line",
    "error.media.directory": "files of the command line",
    "error.media.not_regular": "files of the command line",
    "error.media.unreadable": "files of the command line",
    "error.media.empty": "files of the command line",
    "error.media.format": "files of the command line",
    "error.media.unknown_format": "files of the command line",
    "error.media.too_l": "files of the command line",
    "error.media.pixels": "files of the command line",
    "error.media.broken": "files of the command line",
    "error.media.video_lost": "files of the command line",
    "error.media.ambiguous": "files of the command line",
}


def reached() -> Iterator[Path]:
    """Yield the modules of the API and all that they import."""
    graph = grimp.build_graph("entrypoints", "broadcast", "models", "producer")
    mine = {name for name in graph.modules if name.startswith("entrypoints.http")}
    for module in mine.union(*map(graph.find_upstream_modules, mine)) - TABLES:
        place = ROOT / module.replace(".", "/")
        yield place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def raised() -> set[str]:
    """Return every id of an error in those modules, also of those that are put together."""
    known: set[str] = {str(name) for name in _catalogue("en")._catalog}  # type: ignore[attr-defined]
    found = {
        name
        for file in reached()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in (node.value, f"error.{node.value}" if file.stem == ASKED else "")
        if ERROR.match(name)
    }
    put_together = {name for name in known for stem in found if name.startswith(stem)}
    return {name for name in found | put_together if name in known}


def test_the_table_has_every_error_that_can_be_raised_and_no_other() -> None:
    shown, can_be = set(problems.STATUSES), raised()

    assert len(can_be) > 150
    missing = {name for name in can_be - shown if not name.startswith(tuple(NEVER))}
    assert missing == set(), "add them to errors.json, or to NEVER with the reason"
    assert shown - can_be == set()
    assert {name for name in NEVER if not any(one.startswith(name) for one in can_be)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_pages_show_each_error_in_its_place(language: Language) -> None:
    assert tools_error_pages.FILES[language].read_text("utf-8") == tools_error_pages.document(
        language
    ), "out of date: make cli-docs"
    served = error_pages.of_errors(language).decode()
    for name in problems.STATUSES:
        assert f'<tr id="{name}">' in served
