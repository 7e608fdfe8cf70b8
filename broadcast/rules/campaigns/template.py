"""Templates: the request of a campaign's runs, and what each run finds anew."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field, replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter

from broadcast.errors import about
from broadcast.frozen import frozen
from broadcast.rules.campaigns import variables
from broadcast.rules.campaigns.launches import Agreed

#: The audience of a request whose list is a file's.
OF_FILE: Final[Mapping[str, Any]] = {"upload": True}
#: Stands for an article that is not there yet.
_NO_ARTICLE: Final = {"msgtype": "text", "text": {"content": "-"}}


@frozen
class Template:
    """A request with its variables, or one whose variables were rendered for a due time."""

    #: A member of a newer release may say whom to leave out.
    __pydantic_config__ = ConfigDict(extra="forbid")

    #: As :mod:`producer.request.shape` has it; an article that is found anew has no media_id yet.
    request: dict[str, Any]
    audience_file: str | None = None
    #: Of the list that the file had when a person said it.
    audience_digest: str | None = field(default=None, compare=False)
    draft_title: str | None = None
    article_file: str | None = None
    #: With the people to leave out.
    exclude_files: tuple[str, ...] = ()
    #: Of a run that a person let go.
    agreed: Agreed | None = None
    #: Of a run by hand: it goes though the same went to the same audience within 24 hours.
    again: bool = False

    @property
    def reads_lists(self) -> bool:
        """Whether each run reads lists of people from files."""
        return self.audience_file is not None or bool(self.exclude_files)

    @property
    def to_all(self) -> bool:
        """Whether it goes to everybody, by WeChat's own list."""
        return "to_all" in self.request["audience"]

    def rendered(self, due: datetime, zone: str) -> Template:
        """Return it for one due time: its text, its titles.

        Raises InputError for a variable that there is not, and for a zone that this machine lacks.
        """
        known, request = variables.values(due, zone), deepcopy(self.request)
        for holder, name in ((request, "title"), (request["content"].get("text", {}), "content")):
            if isinstance(holder.get(name), str):
                with about(name):
                    holder[name] = variables.rendered(holder[name], known)
        with about("draft"):
            title = self.draft_title and variables.rendered(self.draft_title, known)
        return replace(self, request=request, draft_title=title)

    def at(self, due: datetime) -> Template:
        """Return it with the time of a run ahead, as of which it is proved."""
        return replace(self, request={**self.request, "at": due.isoformat()})

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


#: Of a run that was skipped, or whose variables could not be rendered.
NOTHING: Final = Template(request={})


def stored(template: Template) -> str:
    """Return a template as JSON."""
    return _form().dump_json(template).decode()


def load(text: str) -> Template:
    """Return the template of its JSON."""
    return _form().validate_json(text)


@cache
def _form() -> TypeAdapter[Template]:
    return TypeAdapter(Template)
