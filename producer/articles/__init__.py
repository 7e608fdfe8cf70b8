"""Articles from files: Markdown, HTML or JSON becomes the HTML that WeChat keeps."""

from __future__ import annotations
