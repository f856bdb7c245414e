"""
Listings: pages put together are what one page would show.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.services.embedded.s3.listing import page_of

KEYS = st.lists(st.text("ab/é", min_size=1, max_size=6), max_size=30)


@given(KEYS, st.sampled_from(["", "a", "a/", "b"]), st.sampled_from(["", "/", "b"]), st.integers(1, 5))
def test_pages_hold_everything_once_and_in_order(keys: list[str], prefix: str, delimiter: str, most: int) -> None:
    whole = page_of(set(keys), prefix=prefix, delimiter=delimiter, after="", most=1000)
    found: list[str] = []
    prefixes: list[str] = []
    after = ""
    while True:
        page = page_of(set(keys), prefix=prefix, delimiter=delimiter, after=after, most=most)
        assert len(page.keys) + len(page.prefixes) <= most
        found += page.keys
        prefixes += page.prefixes
        if not page.following:
            break
        assert page.following > after
        after = page.following
    assert (tuple(found), tuple(prefixes)) == (whole.keys, whole.prefixes)
    assert all(any(key.startswith(each) for each in whole.prefixes) or key in whole.keys
               for key in keys if key.startswith(prefix))  # fmt: skip
