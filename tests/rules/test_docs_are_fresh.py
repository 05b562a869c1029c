"""Docs: a generated piece that differs from the code is found."""

from docs.generate import PIECES, floors, renewed

PAGE = "before\n<!-- generated: floors -->\n{}<!-- end generated -->\nafter\n"


def test_a_planted_outdated_piece_is_renewed_and_the_rest_left():
    assert renewed(PAGE.format("old\n")) == PAGE.format(floors() + "\n")


def test_a_fresh_page_stays_as_it_is():
    page = PAGE.format(floors() + "\n")
    assert renewed(page) == page


def test_every_piece_says_something_on_more_than_two_lines():
    assert [name for name, made in PIECES.items() if made().count("\n") < 3] == []
