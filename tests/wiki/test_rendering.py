"""Markdown becomes HTML that may stand on a page: nothing that runs, loads or hides gets through."""

import re
import time

import pytest

from wiki.rendering import LARGEST, TooLong, formatted, rendered

VECTORS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    '<img src="x" OnErRoR="alert(1)">',
    "![x](javascript:alert(1))",
    '![x](x"onerror="alert(1))',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    '<a href="java&#9;script:alert(1)">x</a>',
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&#x3A;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example"onmouseover="alert(1))',
    '<a href="javascript:alert(1)">x</a>',
    '<a href=" javascript:alert(1)">x</a>',
    '<a href="https://a.example" onclick="alert(1)">x</a>',
    '<a href="https://a.example" target="_blank">x</a>',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<style>body { display: none }</style>",
    '<p style="position:fixed;inset:0">x</p>',
    '<div class="badge state-verified">Verified</div>',
    '<div id="verdict" hx-get="/x/">x</div>',
    '<iframe src="https://evil.example"></iframe>',
    '<object data="x.swf"></object><embed src="x">',
    '<form action="https://evil.example"><button formaction="javascript:alert(1)">x</button></form>',
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    '<base href="https://evil.example/">',
    '<link rel="stylesheet" href="https://evil.example/x.css">',
    "<template><script>alert(1)</script></template>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    "```html\n<script>alert(1)</script>\n```",
    "`<img src=x onerror=alert(1)>`",
    '``` {onclick="alert(1)"}\nx\n```',
    "|a|\n|-|\n|<img src=x onerror=alert(1)>|",
    "Term\n: <script>alert(1)</script>",
    "x[^1]\n\n[^1]: <img src=x onerror=alert(1)>",
    "> <body onload=alert(1)>",
)
ALLOWED_TAG = re.compile(
    r"</?(h[2-6]|p|br|hr|blockquote|pre|code|[uo]l|li|d[ltd]|em|strong|del|su[bp]|a|t(able|head|body|r|h|d)|div|span)\b"
)
LINK = re.compile(r'href="([^"]*)"')
SAFE_LINK = re.compile(r"(https?://|mailto:|[#/]|[\w.-]*$)")
ATTRIBUTE = re.compile(r"<\w+((?:\s+[\w:-]+(?:=\"[^\"]*\")?)*)")
ALLOWED_ATTRIBUTE = {"href", "title", "rel", "start", "align", "tabindex"}


@pytest.mark.parametrize("text", VECTORS)
def test_nothing_that_runs_or_loads_gets_through(text):
    html = formatted(text)
    assert all(ALLOWED_TAG.match(tag) for tag in re.findall(r"</?\w+", html)), html
    names = {name for tag in ATTRIBUTE.findall(html) for name in re.findall(r'([\w:-]+)="', tag)}
    assert names <= ALLOWED_ATTRIBUTE, html
    assert all(SAFE_LINK.match(link) for link in LINK.findall(html)), html


def test_the_corpus_would_be_dangerous_without_the_sanitiser(monkeypatch):
    monkeypatch.setattr("wiki.rendering.nh3.clean", lambda html, **kept: html)
    raw = [formatted(text) for text in VECTORS]
    assert sum("<script" in html.lower() or "onerror=" in html or "javascript:" in html for html in raw) > 15


def test_prose_keeps_its_form():
    html = formatted("# Top\n\nSome *words* in `code`, a [link](https://a.example).\n\n|a|b|\n|-|-:|\n|1|2|\n")
    assert "<h2>Top</h2>" in html and "<h1" not in html
    assert "<em>words</em>" in html and "<code>code</code>" in html
    assert '<a href="https://a.example" rel="nofollow noopener ugc">link</a>' in html
    assert "<table>" in html and "<td" in html


def test_code_that_may_be_wider_than_the_page_is_reached_by_keyboard():
    assert '<pre tabindex="0">' in formatted("```\nx\n```")


def test_a_child_renders_the_same():
    assert rendered("Some *words* — ünïcode") == "<p>Some <em>words</em> — ünïcode</p>"
    assert rendered("  \n") == ""


def test_prose_beyond_64_kilobytes_is_refused():
    with pytest.raises(TooLong, match="65536 bytes; this has 65538"):
        rendered("é" * (LARGEST // 2 + 1))


def test_a_text_that_takes_too_long_is_shown_as_written():
    begun = time.monotonic()
    assert rendered("<b> *too* slow", seconds=0.001) == '<pre tabindex="0">&lt;b&gt; *too* slow</pre>'
    assert time.monotonic() - begun < 5
