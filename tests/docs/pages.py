"""A page's commands, run one after the other; what each shows is held against the page.

Two kinds of blocks are run: `console`, where lines after `$ ` are typed and the lines below are
what the terminal shows, and `sh`, whose lines are typed and must succeed. `…` in a shown line
stands for anything, alone on a line for any lines. What follows a question in it is typed.
Where a sentence is wrapped makes no difference; a command that is to be typed next is a whole line.

Comments in the page, which no reader sees, steer: `<!-- scene: NAME -->` lays out what has happened
before the next block, `<!-- file: NAME -->` writes the next block of Python into a file there,
`<!-- skip: REASON -->` leaves the next block alone.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.codeblock import CodeBlockParser
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer

from tests.docs.scenes import SCENES, day_ahead
from tests.docs.stage import Stage
from tests.kit.terminal import PROMPT, QUESTION, Shown
from tests.kit.wait import until

#: In a page's commands it stands for a day that is four days ahead.
DAY = "2026-12-01"
#: In a page's commands it stands for the OpenID of a follower.
FOLLOWER = re.compile(r"oAbc…(\d)")
#: What the Makefile runs, without the installation before it.
IN_MAKE = {"make demo": "broadcast demo"}
#: Commands that change nothing.
LOOKS = ("broadcast status", "broadcast list", "broadcast accounts", "broadcast quota")
MORE, ANY = "> ", "…"
#: What is different in every run: moments and how long ago, ids, who sits there, WeChat's numbers.
VOLATILE = re.compile(
    r"(\w{3}\s+)?\d{4}-\d\d-\d\d\s+\d\d:\d\d(:\d\d)?(\s+Beijing\s+time)?(\s+\([^)]*\))?"
    r"|\d{4}-\d\d-\d\d\s+周.\s+\d\d:\d\d(（[^）]*）)?"
    r"|\b\d\d:\d\d(\s+\([^)]*\)|\s*（[^）]*）)"
    r"|\b\d{8}-[0-9a-z]{6}\b|\bcli:\S+@[\w-]+(\.[\w-]+)*|127\.0\.0\.1:\d+|\b\d{10,}\b"
)
#: Stands in a question where the tests run at night.
NIGHT = re.compile(r",\s+at\s+night\s+\([^)]*\)|（现在\s*[^）]*属于夜间）")
#: A command to type next: a line of its own, which ends in a backslash where it is broken.
NEXT = re.compile(r" {4}(?:broadcast|celery|curl|make|sudo|\.) ")
BROKEN = "\\"
#: Paragraphs that are as like each other are one whose words were changed.
LIKE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a page and the lines that it is to show."""

    command: str
    lines: list[str]

    @property
    def answers(self) -> list[str]:
        """What a person types when asked."""
        return [line.rpartition(QUESTION)[2] for line in self.lines if QUESTION in line]


@dataclass(slots=True, kw_only=True)
class Play:
    """A page that is played on a stage; with *renewed* it collects what the page should show."""

    stage: Stage
    #: What a worker does takes its time.
    patience_s: float = 5
    skipped: list[str] = field(default_factory=list)
    #: Where a block begins and ends in the text, and what should stand there.
    renewed: list[tuple[Example, str]] = field(default_factory=list)
    _skip: bool = field(default=False)
    _file: str = field(default="")

    def document(self, page: Path) -> Document:
        """Return the page, whose examples are evaluated in order."""
        return Sybil(
            parsers=[
                self._directives,
                CodeBlockParser("console", self._console),
                CodeBlockParser("sh", self._shell),
                CodeBlockParser("python", self._python),
            ]
        ).parse(page)

    def _directives(self, document: Document) -> Iterable[Region]:
        for region in DirectiveInHTMLCommentLexer("scene|file|skip", ".+?")(document):
            region.evaluator = self._directive
            yield region

    def _directive(self, example: Example) -> None:
        lexemes = example.region.lexemes
        if lexemes["directive"] == "skip":
            self._skip = True
            self.skipped.append(lexemes["arguments"])
        elif lexemes["directive"] == "file":
            self._file = lexemes["arguments"]
        else:
            self.stage.clear()
            SCENES[lexemes["arguments"]](self.stage)

    def _left_alone(self) -> bool:
        skip, self._skip = self._skip, False
        return skip

    def _python(self, example: Example) -> None:
        name, self._file = self._file, ""
        if not self._left_alone() and name:
            (self.stage.folder / name).write_text(example.parsed, "utf-8")

    def _type(self, command: str, *answers: str) -> Shown:
        command = IN_MAKE.get(command, command).replace(DAY, day_ahead())
        command = FOLLOWER.sub(lambda found: self.stage.follower(int(found[1])), command)
        return self.stage.type(command, *answers)

    def _shown(self, step: Step) -> list[str]:
        """Return what a command shows; one that only looks is typed until it shows it."""
        # What asks a question that the page does not answer never ends.
        lines = ["(it did not end)"]

        def shows_it() -> bool:
            told = self._type(step.command, *step.answers).text
            lines[:] = NIGHT.sub("", told).splitlines()
            return matches(step.lines, lines) or not step.command.startswith(LOOKS)

        with contextlib.suppress(AssertionError):
            until(shows_it, self.patience_s, step.command)
        return lines

    def _shell(self, example: Example) -> str | None:
        if self._left_alone():
            return None
        for line in joined(example.parsed.splitlines(), BROKEN):
            shown = self._type(line)
            if shown.status:
                return f"{line}\nended with {shown.status}:\n{shown.text}"
        return None

    def _console(self, example: Example) -> str | None:
        if self._left_alone():
            return None
        seen = [(step, self._shown(step)) for step in steps(example.parsed)]
        if all(matches(step.lines, lines) for step, lines in seen):
            return None
        told = "\n".join(renewed(step, lines) for step, lines in seen)
        self.renewed.append((example, told))
        return f"the terminal shows:\n{told}\nand the page:\n{example.parsed}"


def joined(lines: Iterable[str], sign: str) -> Iterator[str]:
    """Yield lines; one that ends in *sign* goes on in the next."""
    begun = ""
    for line in lines:
        begun += f"{line}\n"
        if not line.endswith(sign):
            yield begun.strip()
            begun = ""


def steps(block: str) -> list[Step]:
    """Return the commands of a `console` block."""
    found: list[Step] = []
    open_ended = False
    for line in block.splitlines():
        if line.startswith(PROMPT):
            found.append(Step(command=line.removeprefix(PROMPT), lines=[]))
        elif open_ended and line.startswith(MORE):
            found[-1] = Step(command=f"{found[-1].command}\n{line.removeprefix(MORE)}", lines=[])
        else:
            assert found, f"a block begins with {PROMPT!r}, not with {line!r}"
            found[-1].lines.append(line)
        open_ended = line.startswith((PROMPT, MORE)) and line.endswith(BROKEN)
    return found


def paragraphs(lines: Iterable[str]) -> list[list[str]]:
    """Return lines in groups; one that is indented goes on with the line above.

    A command to type next is a group of its own.
    """
    found: list[list[str]] = []
    for line in lines:
        if found and _goes_on(found[-1], line):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _goes_on(paragraph: list[str], line: str) -> bool:
    if _is_command(paragraph):
        return paragraph[-1].endswith(BROKEN)
    return line.startswith(" ") and paragraph != [ANY] and not _is_command([line])


def _is_command(paragraph: Sequence[str]) -> bool:
    return NEXT.match(paragraph[0]) is not None


def compact(paragraph: Sequence[str]) -> str:
    """Return a paragraph without blanks: where it is wrapped depends on ids and on moments.

    A command to type next keeps them, and is one line.
    """
    if _is_command(paragraph):
        return f"    {' '.join(line.removesuffix(BROKEN).strip() for line in paragraph)}"
    return re.sub(r"\s", "", "".join(paragraph))


def matches(expected: list[str], lines: list[str]) -> bool:
    """Tell whether a terminal shows what is expected."""
    wanted = [compact(one) for one in paragraphs(expected)]
    pattern = "".join(r"(?:.*\n)*?" if one == ANY else f"{_pattern(one)}\n" for one in wanted)
    seen = "".join(f"{compact(one)}\n" for one in paragraphs(lines))
    return re.fullmatch(pattern, seen) is not None


def _pattern(expected: str) -> str:
    return ".*?".join(map(re.escape, expected.split(ANY)))


def renewed(step: Step, lines: list[str]) -> str:
    """Return a step as the page should show it.

    A paragraph that matches stays as it stands in the page; what the page leaves out stays out.
    """
    told = step.lines if matches(step.lines, lines) else _told_anew(step.lines, lines)
    command = step.command.replace("\n", f"\n{MORE}")
    return "\n".join([f"{PROMPT}{command}", *told])


def _told_anew(told: list[str], lines: list[str]) -> list[str]:
    known = [one for one in paragraphs(told) if one != [ANY]]
    anew = [_kept(known, one) or _without_what_differs(one) for one in paragraphs(lines)]
    kept: list[list[str]] = []
    for one in anew:
        stays = QUESTION in "".join(one) or _is_like(known, one)
        follows = _is_command(one) and kept[-1:] not in ([], [[ANY]])
        kept.append(one if stays or follows else [ANY])
    if ANY not in told or sum(one != [ANY] for one in kept) * 2 < len(known):
        kept = anew
    shown = [one for n, one in enumerate(kept) if one != [ANY] or kept[n - 1 : n] != [[ANY]]]
    return [line for one in shown for line in one]


def _kept(known: Iterable[list[str]], paragraph: list[str]) -> list[str] | None:
    seen = compact(paragraph)
    return next((one for one in known if re.fullmatch(_pattern(compact(one)), seen)), None)


def _without_what_differs(paragraph: list[str]) -> list[str]:
    return VOLATILE.sub(ANY, "\n".join(paragraph)).splitlines()


def _is_like(known: Iterable[list[str]], paragraph: list[str]) -> bool:
    seen = compact(paragraph)
    return any(SequenceMatcher(None, compact(one), seen).ratio() >= LIKE for one in known)


def rewritten(text: str, blocks: Iterable[tuple[Example, str]]) -> str:
    """Return a page's text with these blocks in the place of the old ones."""
    for example, told in sorted(blocks, key=lambda each: -each[0].start):
        old = text[example.start : example.end]
        indent = old[: len(old) - len(old.lstrip(" "))]
        fence, _, _ = old.partition("\n")
        body = "".join(f"{indent}{line}".rstrip() + "\n" for line in told.splitlines())
        text = f"{text[: example.start]}{fence}\n{body}{indent}```{text[example.end :]}"
    return text
