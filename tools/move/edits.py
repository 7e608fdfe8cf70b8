"""Edits of a text by offsets that ``ast`` gives, which count bytes of UTF-8."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Edits:
    """Replacements in one text, none of which touches another."""

    text: str
    made: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Count where the lines begin."""
        self.raw = self.text.encode()
        self.starts = [0]
        for line in self.raw.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line (from 1) and a column in bytes."""
        return self.starts[line - 1] + column

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Return where *node* begins and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def whole_lines(self, node: ast.stmt) -> tuple[int, int]:
        """Return the span of the lines on which *node* stands, its comment with it."""
        assert node.end_lineno is not None
        return self.starts[node.lineno - 1], self.starts[node.end_lineno]

    def replace(self, span: tuple[int, int], new: str) -> None:
        """Put *new* in the place of *span*; a second time does nothing."""
        self.made[span] = new.encode()

    def within(self, span: tuple[int, int]) -> str:
        """Return the text of *span* as it is after the edits in it."""
        begin, end = span
        parts, at = [], begin
        for (first, last), new in sorted(self.made.items()):
            if first < begin or last > end:
                continue
            assert first >= at, (first, at, new)
            parts += [self.raw[at:first], new]
            at = last
        return b"".join([*parts, self.raw[at:end]]).decode()

    def result(self) -> str:
        """Return the whole text after the edits."""
        return self.within((0, len(self.raw)))
