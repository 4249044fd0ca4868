"""JUnit XML: the verdicts of a gate file as the test cases that CI systems show.

The form is that of Ant and Surefire, which Jenkins, GitLab and GitHub's actions read. A loss that was not shown to be
more than chance is a skipped test: neither a failure nor quite a pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from rasid.errors import DataError
from rasid.gating import Verdict

SUITE = "rasid.gates"
_CHILD = {"failed": "failure", "not shown": "skipped"}
# What XML 1.0 has no way to write; figures carry the names of labels, which users choose.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _sound(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def junit(verdicts: Sequence[Verdict], seconds: float = 0.0) -> bytes:
    """A whole XML document, UTF-8; `seconds` is what the evaluation took."""
    states = [each.status for each in verdicts]
    counts = {
        "tests": str(len(states)),
        "failures": str(states.count("failed")),
        "errors": "0",
        "skipped": str(states.count("not shown")),
        "time": f"{seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "rasid", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": SUITE, **counts})
    for each in verdicts:
        name = {"classname": f"{SUITE}.{each.kind}", "name": _sound(each.figure), "time": "0.000"}
        case = ElementTree.SubElement(suite, "testcase", name)
        if each.status in _CHILD:
            child = ElementTree.SubElement(case, _CHILD[each.status], {"message": _sound(each.why)})
            if each.status == "failed":
                child.set("type", each.kind)
                child.text = _sound(each.line)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def write_junit(verdicts: Sequence[Verdict], path: Path, seconds: float = 0.0) -> None:
    """Writes the document. Raises DataError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(junit(verdicts, seconds))
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
