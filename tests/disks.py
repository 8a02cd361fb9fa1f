"""Disks that tests make up."""

from __future__ import annotations

import errno
import os
from typing import Any


class FullDisk:
    """``os`` for one module, whose writes find no space: those of other threads are left alone."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, number: int, data: bytes) -> int:
        """Find no space."""
        raise OSError(errno.ENOSPC, "No space left on device")
