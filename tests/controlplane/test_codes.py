"""Every code that this room can say is documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from pilotage.controlplane import codes
from pilotage.controlplane.conditions import REASONS
from pilotage.images import errors as image_errors

SOURCE = Path(codes.__file__).parent
SAID = re.compile(
    r'(?:error|warning|Error|_finding|Finding|_invalid|_odd)\(\s*(?:facts,\s*)?"([A-Z][A-Za-z]+)"'
)
ALL = {code for group in codes.CODES.values() for code in group}


def test_every_code_in_the_source_is_documented() -> None:
    """A new code without a sentence in `codes` fails here."""
    said = {code for module in SOURCE.glob("*.py") for code in SAID.findall(module.read_text())}
    assert len(said) > 25
    assert sorted(said - ALL - set(image_errors.CODES)) == []


def test_no_code_is_documented_that_nobody_says() -> None:
    """A code that was removed or renamed leaves the page as well."""
    texts = "\n".join(module.read_text() for module in SOURCE.glob("*.py") if module.name != "codes.py")
    texts += (SOURCE.parent / "api" / "versions.py").read_text()
    assert [code for code in sorted(ALL) if f'"{code}"' not in texts] == []


def test_the_cases_use_documented_codes() -> None:
    """The case file and the reference page speak of the same errors and warnings."""
    cases = yaml.safe_load((Path(__file__).parent / "cases" / "precedence.yaml").read_text())
    errors = {case["gives"]["error"] for case in cases if "error" in case["gives"]}
    warnings = {code for case in cases for code in case["gives"].get("warns", [])}
    assert errors <= set(codes.CODES["errors"])
    assert warnings <= set(codes.CODES["warnings"])
    assert set(REASONS.values()) <= set(codes.CODES["conditions"])
