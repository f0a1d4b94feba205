from __future__ import annotations

import time

import pytest

from predictions.web.cards import LONGEST_SHOWN, card_html


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


def test_emphasis_around_marks_of_the_other_kind() -> None:
    assert card_html("*a_b* _c*d_ **e_f**") == "<p><em>a_b</em> <em>c*d</em> <strong>e_f</strong></p>"


@pytest.mark.parametrize("piece", [" *a", " _a", " **a", "*a ", "[", "[a](http://", "`a\n", "- *", "\n \t"])
def test_it_takes_no_longer_than_its_length_says(piece: str) -> None:
    start = time.process_time()
    card_html(piece * (60_000 // len(piece)))
    assert time.process_time() - start < 2


def test_a_long_card_is_cut() -> None:
    assert card_html("a" * 60_000) == f"<p>{'a' * LONGEST_SHOWN}…</p>"
