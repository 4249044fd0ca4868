"""What a page may hold of a text that nobody has vetted: JSON inside a script element, names inside a sentence.

Markup is escaped by the templates. Here is what escaping leaves: characters that turn the reading order of the
characters around them, or that nobody sees, and the ends of a script element. Knows nothing of reports.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import regex
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rasid import palette

# What ends a script element or opens a comment in it, line ends of JavaScript, and all that is not seen.
_HIDDEN_IN_JSON = regex.compile(r"[<>&\u2028\u2029]|\p{Cc}|\p{Cf}|\p{Cs}")
# Joiners (U+200C, U+200D) and soft hyphens are seen by what they do to a word, and are left.
_HIDDEN_IN_TEXT = regex.compile(
    r"[\u2028\u2029\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF]|\p{Cc}|\p{Cs}"
)


def safe_json(tree: Any) -> Markup:
    """`tree` as JSON that may stand in a script element, whatever its strings hold; parsing gives the same strings."""
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_HIDDEN_IN_JSON.sub(lambda found: _escaped(found[0]), text))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else json.dumps(character)[1:-1]  # a surrogate pair


def visible(text: object) -> str:
    """`text` with its controls spelt out, `[U+202E]`, so that a name cannot rearrange the line that it stands in."""
    return _HIDDEN_IN_TEXT.sub(lambda found: f"[U+{ord(found[0]):04X}]", str(text))


def hash_source(block: str) -> str:
    """A Content-Security-Policy source that lets exactly this inline block run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}"


@cache
def templates() -> Environment:
    """The package's own templates, with everything escaped."""
    loader = FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"hash_source": hash_source, "visible": visible}
    return environment


def report_page(template: str, title: str, **parts: Any) -> str:
    """A page of the frame `report.html`, in one file with its style and its script."""
    style = Markup(f"{palette.style()}\n{_package_text('report.css')}")
    script = Markup(_package_text("report.js"))
    return templates().get_template(template).render(title=title, style=style, script=script, **parts)


def _package_text(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
