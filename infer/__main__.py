"""`python -m rasid.infer INPUT ...` (in the checkout also `python -m infer`): the same as `rasid infer INPUT
...`."""

from __future__ import annotations

import sys

from rasid.cli import main

if __name__ == "__main__":
    sys.exit(main(["infer", *sys.argv[1:]]))
