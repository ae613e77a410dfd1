"""Files that are either the old ones or the new ones, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import IO, Any


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb", *, encoding: str | None = None,
                 newline: str | None = None) -> Iterator[IO[Any]]:
    """Open a file for writing that takes the place of ``path`` when the ``with`` block ends without an exception.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and the file is renamed; then the
    folder is flushed. An exception, also Ctrl-C, leaves ``path`` as it was; a killed process may leave a file called
    ``.pyconv-*.tmp`` behind. A symbolic link is followed. ``mode`` is "wb" or "w" (UTF-8 unless ``encoding`` says
    otherwise). Raises ValueError for another mode, or when ``path`` is a folder, a device or a pipe; OSError as
    `open` does.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(pathlib.Path(folder, "a.txt"), "w") as file:
    ...         _ = file.write("all or nothing")
    ...     pathlib.Path(folder, "a.txt").read_text()
    'all or nothing'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"[atomic_write] mode is {mode!r}, expected 'wb' or 'w'")
    target = os.path.realpath(os.fspath(path))
    permissions = _old_permissions(target)
    folder = os.path.dirname(target)
    temporary, handle = _create(folder, target)
    try:
        text = None if mode == "wb" else encoding or "utf-8"
        with os.fdopen(handle, mode, encoding=text, newline=newline) as file:
            yield file
            file.flush()
            if permissions is not None:
                os.fchmod(file.fileno(), permissions)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _create(folder: str, target: str) -> tuple[str, int]:
    """A new file in ``folder``: its path and its descriptor."""
    temporary = os.path.join(folder, f".pyconv-{secrets.token_hex(8)}.tmp")
    try:
        return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:  # the name that the caller knows
        raise type(error)(error.errno, error.strerror, target) from None


def _old_permissions(target: str) -> int | None:
    """The permissions of the file that is to be replaced; None where there is none."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(old.st_mode):
        raise ValueError(f"[atomic_write] {target} exists and is not a regular file")
    return stat.S_IMODE(old.st_mode)


def _sync_folder(folder: str) -> None:
    """Flush the folder, without which a power failure may undo the renaming."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            os.fsync(handle)
    finally:
        os.close(handle)
