"""``python -m backslide`` is the command ``backslide``."""

from __future__ import annotations

import sys

from backslide.cli import main

if __name__ == "__main__":
    sys.exit(main())
