"""Markdown to HTML that may stand on a page. Done when a revision is saved or first shown, never on every view.

The text is rendered in a child process with a time limit, since some short texts keep a Markdown parser busy for many
seconds; nothing that Markdown lets through reaches a page without the sanitiser.
"""

from __future__ import annotations

import subprocess
import sys
from html import escape
from pathlib import Path

import markdown
import nh3

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 64 * 1024
SECONDS = 5.0

EXTENSIONS = [
    "tables",
    "sane_lists",
    "footnotes",
    "def_list",
    "pymdownx.highlight",
    "pymdownx.superfences",
    "pymdownx.tilde",
]
CONFIGURED = {"pymdownx.highlight": {"use_pygments": False}}
TAGS = {
    *("h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "code", "ul", "ol", "li", "dl", "dt", "dd"),
    *("em", "strong", "del", "sub", "sup", "a", "table", "thead", "tbody", "tr", "th", "td", "div", "span"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "th": {"align"}, "td": {"align"}}
FOCUSED = {"pre": {"tabindex": "0"}}  # what scrolls by itself must be reached by keyboard
SCHEMES = {"http", "https", "mailto"}


class TooLong(ValueError):
    """The text is larger than a page may be."""


def rendered(text: str, seconds: float = SECONDS) -> str:
    """Safe HTML. A text that takes longer than `seconds` is shown as it was written; raises TooLong beyond 64 KB."""
    if len(text.encode()) > LARGEST:
        raise TooLong(f"prose may have {LARGEST} bytes; this has {len(text.encode())}")
    if not text.strip():
        return ""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wiki.rendering"],
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return as_written(text)
    return done.stdout


def as_written(text: str) -> str:
    """The text itself, where it could not be formatted."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def formatted(text: str) -> str:
    """Markdown to sanitised HTML, in this process and without a time limit."""
    html = markdown.markdown(text, extensions=EXTENSIONS, extension_configs=CONFIGURED, output_format="html")
    return nh3.clean(
        _without_first_headings(html),
        tags=TAGS,
        attributes=ATTRIBUTES,
        set_tag_attribute_values=FOCUSED,
        url_schemes=SCHEMES,
        link_rel="nofollow noopener ugc",
        strip_comments=True,
    )


def _without_first_headings(html: str) -> str:
    """A page has its own h1, so prose begins at h2."""
    return html.replace("<h1>", "<h2>").replace("</h1>", "</h2>")


if __name__ == "__main__":
    sys.stdout.buffer.write(formatted(sys.stdin.buffer.read().decode()).encode())
