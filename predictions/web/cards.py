"""A model card, written in a little Markdown, as HTML. What was written is escaped before anything is made of it."""

from __future__ import annotations

import re
from html import escape

from django.utils.safestring import SafeString, mark_safe

LONGEST_SHOWN = 50_000
# None looks past the next mark of its own kind: however a card is written, the time it takes grows with its length.
INLINE: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*\s](?:[^*\n]*[^*\s])?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<!\w)\*([^*\s](?:[^*\n]*[^*\s])?)\*(?!\w)"), r"<em>\1</em>"),
    (re.compile(r"(?<!\w)_([^_\s](?:[^_\n]*[^_\s])?)_(?!\w)"), r"<em>\1</em>"),
    (re.compile(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)"), r'<a href="\2" rel="nofollow noopener">\1</a>'),
]
_HEADING = re.compile(r"(#{1,4})\s+(.*)", re.DOTALL)
_ITEM = re.compile(r"^[-*]\s+", re.MULTILINE)


def card_html(card: str) -> SafeString:
    """Return headings, paragraphs, lists and code blocks; the page has its own first heading."""
    if len(card) > LONGEST_SHOWN:
        card = f"{card[:LONGEST_SHOWN]}…"
    blocks = re.split(r"\n\s*\n", card.replace("\r\n", "\n").strip())
    return mark_safe("\n".join(_block(block) for block in blocks if block.strip()))  # noqa: S308 (escaped below)


def _block(block: str) -> str:
    if block.startswith("```"):
        return f"<pre><code>{escape(block.strip('`').strip())}</code></pre>"
    heading = _HEADING.fullmatch(block.strip())
    if heading:
        level = min(len(heading[1]) + 1, 4)
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    if _ITEM.match(block):
        items = [_inline(item.strip()) for item in _ITEM.split(block) if item.strip()]
        return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    html = escape(text, quote=True)
    for pattern, replacement in INLINE:
        html = pattern.sub(replacement, html)
    return html
