"""Pictures, opened and read whole: a cut one has a right beginning and a right size."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Final

from broadcast.errors import MediaError
from broadcast.media import MediaFormat

_PILLOWS: Final = {
    MediaFormat.JPEG: "JPEG", MediaFormat.PNG: "PNG", MediaFormat.GIF: "GIF",
    MediaFormat.BMP: "BMP",
}  # fmt: skip


def size(data: bytes, found: MediaFormat, *, path: Path) -> tuple[int, int]:
    """Return width and height in pixels. Raises MediaError for one that cannot be shown."""
    from PIL import Image  # noqa: PLC0415 - 20 MB, for who sends pictures alone

    try:
        with warnings.catch_warnings():
            # Far more pixels than any telephone shows.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=(_PILLOWS[found],)) as image:
                image.load()
                return image.size
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = Image.MAX_IMAGE_PIXELS or 0
        raise MediaError("error.media.pixels", path=path, most=most // 1_000_000) from None
    except Exception as error:
        # Whatever its decoders raise of a broken file: OSError, SyntaxError, ValueError, EOFError…
        raise MediaError("error.media.broken", path=path) from error
