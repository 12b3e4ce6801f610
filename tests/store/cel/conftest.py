"""What the tests of rules share: recorded answers of an API server (1.36), and a way to evaluate one expression.

The files in `cases/` were recorded from a real kube-apiserver: definitions were sent with `dryRun`, objects created and
updated, and the causes of the answers written down word by word. `selfType` stands for a type name with a random number.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.store.cel import Environment
from pilotage.store.cel.types import DYN, Type

CASES = Path(__file__).parent / "cases"


def recorded(name: str) -> Any:
    return json.loads((CASES / name).read_text())


@pytest.fixture
def value_of() -> Callable[..., Any]:
    """The value of an expression; variables have the types given in `types`, or none in particular."""

    def evaluate(source: str, types: dict[str, Type] | None = None, **variables: Any) -> Any:
        declared = dict.fromkeys(variables, DYN) | (types or {})
        return Environment(declared).compile(source).evaluate(variables)[0]

    return evaluate
