from __future__ import annotations

from predictions.web.cards import card_html


def test_a_little_markdown() -> None:
    card = "# Title\n\nSome **strong** and *soft* words, `code`\nand a [link](https://example.org/a).\n\n- one\n- two"
    assert card_html(card).splitlines() == [
        "<h2>Title</h2>",
        "<p>Some <strong>strong</strong> and <em>soft</em> words, <code>code</code>",
        'and a <a href="https://example.org/a" rel="nofollow noopener">link</a>.</p>',
        "<ul><li>one</li><li>two</li></ul>",
    ]


def test_no_html_and_no_script_comes_through() -> None:
    html = card_html('<script>alert(1)</script> [x](javascript:alert(1)) [y](https://e.org/"onclick=1)')
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert '"onclick' not in html
