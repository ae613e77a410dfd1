"""The file that a reader reads: bounded reads of a regular file, and errors that name it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader

import numpy as np


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading. Pipes and devices could block or never end: ValueError."""
    handle = os.open(os.fspath(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"[load] {os.fspath(path)} is not a regular file")
    return os.fdopen(handle, "rb")


class Source:
    """An open file of known size; nothing outside it can be read, and nothing is allocated for what it lacks.

    Files are read, not mapped: a mapped file that somebody else cuts short kills the process that looks at it.
    """

    def __init__(self, path: str | os.PathLike[str], file: BufferedReader) -> None:
        self.path = os.fspath(path)
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def fail(self, what: str) -> ValueError:
        """The error to raise about this file."""
        return ValueError(f"[load] {self.path}: {what}")

    def read(self, at: int, length: int, what: str) -> bytes:
        """``length`` bytes from position ``at``; ``what`` they are, for the error where the file is too short."""
        self._check(at, length, what)
        self._file.seek(at)
        data = self._file.read(length)
        if len(data) != length:
            raise self.fail(f"{what} ends after {len(data)} of {length} bytes: the file shrank while it was read")
        return data

    def read_array(self, at: int, count: int, dtype: np.dtype, what: str) -> np.ndarray:
        """``count`` elements from position ``at`` on, in memory of their own, aligned wherever they lie in the file."""
        length = count * dtype.itemsize
        self._check(at, length, what)
        array = np.empty(count, dtype)
        if length:
            self._file.seek(at)
            got = self._file.readinto(array.view(np.uint8).data)
            if got != length:
                raise self.fail(f"{what} ends after {got} of {length} bytes: the file shrank while it was read")
        return array

    def _check(self, at: int, length: int, what: str) -> None:
        if at < 0 or length < 0 or at + length > self.size:
            raise self.fail(f"{what} takes bytes {at} to {at + length}, but the file has {self.size}")


@contextlib.contextmanager
def source(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open a `Source`; ValueError for what is no regular file, OSError as `open`."""
    with open_regular(path) as file:
        yield Source(path, file)


def short(name: str) -> str:
    """A name for an error message."""
    return repr(name if len(name) <= 60 else name[:57] + "...")
