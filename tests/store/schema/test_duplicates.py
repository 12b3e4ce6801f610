"""Fields written twice, and what strict decoding of a real kube-apiserver 1.36 said."""

import json
from pathlib import Path

import pytest

from pilotage.store.schema.duplicates import duplicate_fields

CASES = json.loads((Path(__file__).parent / "cases" / "duplicates.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_duplicates_are_told_in_the_order_of_the_text(case):
    """Each path once, inner ones before the outer one that ends later."""
    expected = [text for text in case["warnings"] if text.startswith("duplicate")]
    assert expected == duplicate_fields(case["text"].encode())
