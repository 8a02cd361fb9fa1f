"""Messages between a process and its worker: a length, and so many bytes."""

from __future__ import annotations

from typing import IO

LENGTH = 8


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write one message.

    Raises:
        OSError: the other end is gone.
    """
    pipe.write(len(message).to_bytes(LENGTH, "big"))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes:
    """Read one message.

    Raises:
        EOFError: the other end is gone.
    """
    length = int.from_bytes(_exactly(pipe, LENGTH), "big")
    return _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    contents = pipe.read(length)
    if len(contents) < length:
        raise EOFError("the other end is gone")
    return contents
