"""`python -m kaffect.cli`: the command `kaffect` for whoever has not installed its script."""

from __future__ import annotations

import sys

from kaffect.cli import main

if __name__ == "__main__":
    sys.exit(main())
