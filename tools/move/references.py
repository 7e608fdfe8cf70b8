"""Where modules are named by prose and by tools: comments, pages, the list of planted bugs."""

from __future__ import annotations

import io
import json
import re
import tokenize
import tomllib
from collections.abc import Callable

from tools.move.plan import FILE, Plan
from tools.move.rewrite import Rewritten, dotted

_DOTTED = re.compile(r"(?<![\w./-])[a-z_]\w*(?:\.[A-Za-z_]\w*)+(?![\w/])")
_PATH = re.compile(r"(?<![\w./-])(?:[a-z_]\w*/)+(?:[a-z_]\w*\.py)?")


def renamer(plan: Plan) -> Callable[[str], str]:
    """Return what puts the new names of modules and paths into a text for people."""
    paths = plan.paths
    folders = {
        path.removesuffix("__init__.py"): new.removesuffix("__init__.py").removesuffix(".py")
        for path, new in paths.items()
        if path.endswith("__init__.py")
    }
    moved = re.compile(
        "|".join(rf"(?<![\\w./-]){re.escape(path)}(?![\\w-])" for path in plan.files)
    )

    def rename(text: str) -> str:
        if plan.files:
            text = moved.sub(lambda m: plan.files[m[0]], text)
        text = _PATH.sub(lambda m: paths.get(m[0]) or folders.get(m[0]) or m[0], text)
        return _DOTTED.sub(lambda m: m[0] if FILE.search(m[0]) else dotted(plan, m[0]), text)

    return rename


def comments(plan: Plan, text: str) -> str:
    """Return Python *text* with the names in its comments and docstrings as they are now."""
    rename = renamer(plan)
    text = re.sub(r'"""(?:[^"\\]|\\.|"(?!""))*"""', lambda m: rename(m[0]), text)
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and "noqa" not in token.string:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = (
                line[:column] + rename(token.string) + line[column:].removeprefix(token.string)
            )
    return "".join(lines)


def planted(plan: Plan, text: str, written: dict[str, Rewritten]) -> str:
    """Return the list of planted bugs with its files and what stands in them as they are now."""
    edit = re.compile(r'^file = "(?P<file>[^"]+)"$(?P<rest>(?:\n(?!\[|\n\[).*)*)', re.MULTILINE)
    by_path = {str(one.module.path): one for one in written.values()}

    def moved(match: re.Match[str]) -> str:
        one = by_path.get(match["file"])
        if one is None:
            return match[0]
        path = plan.path_of(plan.new_name(one.module.name))
        return f'file = "{path}"' + _snippets(plan, one, match["rest"])

    return edit.sub(moved, text)


def _snippets(plan: Plan, one: Rewritten, rest: str) -> str:
    for quote in ("'''", '"""', "'", '"'):
        found = re.search(rf"^old = {quote}\n?(.*?){quote}$", rest, re.MULTILINE | re.DOTALL)
        if found:
            break
    else:
        plan.report(one.module.name, f"a planted bug that cannot be read: {rest[:80]}")
        return rest
    text = tomllib.loads(f'old = "{found[1]}"')["old"] if quote == '"' else found[1]
    old = text.encode()
    at = one.edits.raw.find(old)
    if at < 0:
        plan.report(one.module.name, f"a planted bug that is not there: {found[1][:60]}")
        return rest
    after = one.edits.within((at, at + len(old)))
    after = _written(after) if quote == '"' else after
    head, tail = rest[: found.start(1)], rest[found.end(1) :]
    for local, new in one.locals.items():
        tail = re.sub(rf"(?<![\w.]){re.escape(local)}(?!\w)", new, tail)
    return head + after + tail


def _written(text: str) -> str:
    """Return *text* as it stands between the quotes of a TOML string of one line."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
