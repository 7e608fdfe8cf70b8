"""Templates: the request of a campaign's runs, and what each run finds anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from broadcast.frozen import frozen
from broadcast.rules.campaigns.launches import Agreed

#: The audience of a request whose list is a file's.
OF_FILE: Final[Mapping[str, Any]] = {"upload": True}
#: Stands for an article that is not there yet.
_NO_ARTICLE: Final = {"msgtype": "text", "text": {"content": "-"}}


@frozen
class Template:
    """A request with its variables, or one whose variables were rendered for a due time."""

    #: As :mod:`producer.request.shape` has it; an article that is found anew has no media_id yet.
    request: dict[str, Any]
    audience_file: str | None = None
    draft_title: str | None = None
    article_file: str | None = None
    #: Of people who are left out.
    exclude_files: Sequence[str] = ()
    #: Of a run that a person let go.
    agreed: Agreed | None = None

    @property
    def reads_lists(self) -> bool:
        """Whether each run reads lists of people from files."""
        return self.audience_file is not None or bool(self.exclude_files)

    @property
    def stored(self) -> str:
        """The template as JSON."""
        # Of a run alone: a campaign is shown with its members.
        left_out = {"agreed"} if self.agreed is None else None
        return _form().dump_json(self, exclude=left_out).decode()

    @property
    def to_all(self) -> bool:
        """Whether it goes to everybody, by WeChat's own list."""
        return "to_all" in self.request["audience"]

    def with_draft(self, media_id: str) -> Template:
        """Return it with the draft that was found or made for it."""
        article = {"msgtype": "mpnews", "mpnews": {"media_id": media_id}}
        request = {**self.request, "content": {**self.request["content"], **article}}
        return replace(self, request=request, draft_title=None, article_file=None)

    def without_article(self) -> Template:
        """Return it with a text in the place of an article that is to be found or made."""
        if self.draft_title is None and self.article_file is None:
            return self
        request = {**self.request, "content": _NO_ARTICLE}
        return replace(self, request=request, draft_title=None, article_file=None)


def load(stored: str) -> Template:
    """Return the template of its JSON."""
    return _form().validate_json(stored)


@cache
def _form() -> TypeAdapter[Template]:
    return TypeAdapter(Template)
