"""`python -m rasid`, the same as the `rasid` command."""

from __future__ import annotations

import sys

from rasid.cli import main

if __name__ == "__main__":
    sys.exit(main())
