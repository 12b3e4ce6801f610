"""Warnings go into a header, and what a client sent may stand in them."""

from pilotage.apiserver.resources import warning_headers


def test_nothing_unprintable_reaches_the_header() -> None:
    """Control characters become blanks, quotes are escaped, and a warning that comes twice is said once."""
    told = ['unknown field "a\x00b"', "in\ntwo lines", "in\ntwo lines"]

    assert {"Warning": '299 - "unknown field \\"a b\\"", 299 - "in two lines"'} == warning_headers(told)
