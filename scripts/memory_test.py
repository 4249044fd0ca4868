"""Does memory stay flat however many articles a job reads? Peak resident memory of whole jobs of several sizes.

    python scripts/memory_test.py --articles 1000 100000

Each job is a process of its own, on short articles drawn with the same seed. Prints a line for each and the ratio of
the greatest peak to the least; exit code 1 when it is above --most. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PHRASE = "وصل وفد من الأمم المتحدة إلى العاصمة وقال سامر الحداد إن المشروع كلف مليوني دولار في مدينة الميناء"
_KIB = 1024 if sys.platform != "darwin" else 1  # ru_maxrss is in KiB on Linux, in bytes on macOS


def write_articles(path: Path, count: int, words: int, seed: int) -> None:
    """JSON lines of articles of half to one and a half times `words` words, each with an id."""
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8") as lines:
        for number in range(count):
            text = " ".join(rng.choices(PHRASE.split(), k=rng.randint(words // 2, words * 3 // 2))) + "."
            lines.write(json.dumps({"id": f"article-{number:09}", "text": text}, ensure_ascii=False) + "\n")


def peak_of(arguments: list[str]) -> int:
    """Peak resident memory, in bytes, of `rasid` with these arguments. Raises RuntimeError when it fails."""
    process = subprocess.Popen([sys.executable, "-m", "rasid", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code:
        raise RuntimeError(f"rasid {' '.join(arguments)}: exit code {code}")
    return usage.ru_maxrss * _KIB


def main() -> int:
    parser = argparse.ArgumentParser(description="Peak memory of jobs of several sizes.")
    parser.add_argument("--articles", type=int, nargs="+", default=[1000, 20_000], help="one job for each number")
    parser.add_argument("--words", type=int, default=12, help="mean length of an article")
    parser.add_argument("--model", default="news")
    parser.add_argument("--output", default="records.jsonl", help="name of the output, as `rasid infer` takes it")
    parser.add_argument("--option", action="append", default=[], help="further option of rasid infer; may be repeated")
    parser.add_argument("--most", type=float, default=1.1, help="ratio of the peaks above which to fail (default: 1.1)")
    args = parser.parse_args()
    peaks = []
    for count in args.articles:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "in.jsonl"
            write_articles(inputs, count, args.words, seed=0)
            output = ("--output", str(Path(folder) / args.output))
            began = time.monotonic()
            options = ("--model", args.model, "--device", "cpu", "--quiet", *args.option)
            peaks.append(peak_of(["infer", str(inputs), *output, *options]))
            seconds = time.monotonic() - began
        print(f"{count:9} articles: peak {peaks[-1] / 2**20:7.1f} MiB, {seconds:6.1f} s", flush=True)
    ratio = max(peaks) / min(peaks)
    print(f"ratio {ratio:.3f}, at most {args.most}")
    return int(ratio > args.most)


if __name__ == "__main__":
    sys.exit(main())
