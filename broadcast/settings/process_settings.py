"""How a process works and what it writes of it, a part of the program's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class ProcessSettings(BaseSettings):
    """Of workers, beat and the servers."""

    #: Read where a process begins its log; here it is checked.
    log_format: Literal["text", "json"] = "text"
    #: Most tasks at once in one worker process; each lane that is sending takes one.
    concurrency: Annotated[int, Field(ge=1, le=512)] = 64
    #: Where a worker shows its own metrics; without a port it does not.
    metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    metrics_host: str = "127.0.0.1"
