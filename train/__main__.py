"""`python -m rasid.train CONFIG ...` (and under `accelerate launch -m`): the same as `rasid train`."""

from __future__ import annotations

import sys

from rasid.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
