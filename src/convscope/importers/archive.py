"""ZIP archives that nobody vouches for: bounded before anything in them is unpacked."""

from __future__ import annotations

import zipfile
from typing import IO

from convscope.errors import InputError

MAX_ENTRIES = 4096
MAX_DIRECTORY = 4_000_000

_END = b"PK\x05\x06"


def checked_archive(stream: IO[bytes], what: str) -> zipfile.ZipFile:
    """The archive in the stream, whose table of contents is of bearable size.

    Args:
        stream: of bytes, in which places can be sought.
        what: what the archive is taken for, for messages: ``Keras model``.

    Raises:
        InputError: no whole archive, or one whose table of contents alone would fill the memory.
        zipfile.BadZipFile: a table of contents that cannot be read.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 65_557))
    tail = stream.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + 22:
        raise InputError(f"it is no {what}: not a whole ZIP archive")
    entries = int.from_bytes(tail[place + 10 : place + 12], "little")
    length = int.from_bytes(tail[place + 12 : place + 16], "little")
    if entries > MAX_ENTRIES or length > MAX_DIRECTORY:
        raise InputError(f"the archive holds {entries} files; a {what} has at most {MAX_ENTRIES}")
    stream.seek(0)
    archive = zipfile.ZipFile(stream)
    found = len(archive.infolist())
    if found > MAX_ENTRIES:
        raise InputError(f"the archive holds {found} files; a {what} has at most {MAX_ENTRIES}")
    return archive
