"""Compiles what the processes of an image import, the standard library too, and nothing else.

Usage: PYTHONPYCACHEPREFIX=FOLDER python image_bytecode.py. Python looks for bytecode in that
folder, so no start compiles anything. All bytecode of all packages would be twice as much.
A library's module that was compiled loses its source, a seventh of the image: its lines of a
traceback keep file, line and function, but not the text.
"""

from __future__ import annotations

import importlib
import pkgutil
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

OURS = ("broadcast", "celeryconfig", "entrypoints", "models", "producer", "worker")
#: What libraries import when they are at work.
LATER = (
    "alembic.command",
    "alembic.ddl.mysql",
    "alembic.ddl.postgresql",
    "alembic.runtime.migration",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.app.routes",
    "celery.app.trace",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.beat",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "celery.events.state",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.schedules",
    "celery.worker.autoscale",
    "celery.worker.consumer",
    "celery.worker.control",
    "celery.worker.strategy",
    "chinese_calendar",
    "dotenv.main",
    "encodings.gb18030",
    "encodings.idna",
    "fastapi.openapi.docs",
    "fastapi.openapi.utils",
    "flower.app",
    "flower.command",
    "flower.urls",
    "kombu.pools",
    "kombu.transport.pyamqp",
    "kombu.transport.redis",
    "logging.handlers",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "psycopg.pq",
    "psycopg_binary",
    "pymysql",
    "rich.progress",
    "rich.table",
    "smtplib",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "zoneinfo._tzpath",
)


def main() -> None:
    """Compile every source file that was imported."""
    for name in (*LATER, *modules(OURS)):
        importlib.import_module(name)
    specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
    # A module may have more names than one.
    sources = {spec.origin: spec.name for spec in specs if spec and spec.has_location}
    for source, name in sources.items():
        if source.endswith(".py"):
            of_library = "site-packages" in source and name.split(".")[0] not in OURS
            compiled(Path(source), of_library=of_library)


def compiled(source: Path, *, of_library: bool) -> None:
    """Compile a module; where it is a library's, put the bytecode in its source's place."""
    # Whatever a layer of the image does to the times of its files, it is good.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    place = str(source.with_suffix(".pyc")) if of_library else None
    py_compile.compile(str(source), place, doraise=True, invalidation_mode=mode)
    if of_library:
        source.unlink()


def modules(names: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of packages and of every module in them."""
    for name in names:
        yield name
        inside = getattr(importlib.import_module(name), "__path__", ())
        for one in pkgutil.walk_packages(inside, f"{name}."):
            if not one.name.endswith(".__main__"):
                yield one.name


if __name__ == "__main__":
    main()
