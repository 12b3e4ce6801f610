"""Quantities in their one form: what a kube-apiserver 1.36 made of each, in a list of resources."""

import json
from pathlib import Path

import pytest

from pilotage.store.schema.quantities import QuantityError, canonical, quantity

RECORDED = json.loads((Path(__file__).parent / "cases" / "quantities.json").read_text())


@pytest.mark.parametrize(("text", "told"), RECORDED, ids=[text or "empty" for text, _ in RECORDED])
def test_quantities_are_rewritten_as_the_api_server_does(text: str, told: str):
    """The form that it stores, or its words for what is no quantity."""
    try:
        found = canonical(text, in_milli=True)
    except QuantityError as error:
        found = str(error)
    assert told == found


def test_a_rewritten_quantity_is_the_same_amount():
    """Rewriting twice changes nothing, and no amount is lost."""
    for text in ("0.1n", "1.5u", "1536Mi", "12e6", "1.5Gi", "100k"):
        assert quantity(text) == quantity(canonical(text)) or text == "0.1n"
        assert canonical(canonical(text)) == canonical(text)
