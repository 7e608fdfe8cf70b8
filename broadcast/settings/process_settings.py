"""How a process works and what it writes of it, a part of the program's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


def _env(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class ProcessSettings(BaseSettings):
    """Of workers, beat and the servers."""

    #: Read where a process begins its log; here it is checked.
    log_format: Literal["text", "json"] = Field(
        "text", validation_alias=_env("BROADCAST_LOG_FORMAT")
    )
    #: Most tasks at once in one worker process; each lane that is sending takes one.
    concurrency: Annotated[int, Field(ge=1, le=512)] = Field(
        64, validation_alias=_env("BROADCAST_CONCURRENCY")
    )
    #: Where a worker shows its own metrics; without a port it does not.
    metrics_port: int | None = Field(
        None, ge=1, le=65535, validation_alias=_env("BROADCAST_METRICS_PORT")
    )
    metrics_host: str = Field("127.0.0.1", validation_alias=_env("BROADCAST_METRICS_HOST"))
