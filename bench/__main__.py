"""`python -m bench [NAME...]`: measure what the product exists for, and print one JSON document.

A measurement is a module beside this one with `run() -> dict`: medians, sizes, and under `peer` the tool it is compared with.
Each runs in a process of its own, so that memory and caches of one do not show in the figures of another.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FAILED = 1


def names() -> list[str]:
    """Every measurement there is."""
    files = sorted(path for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    return [path.stem for path in files if "\ndef run(" in path.read_text()]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="*", help=f"of {', '.join(names())}; all without one")
    parser.add_argument("--in-process", metavar="NAME", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.in_process:
        print(json.dumps(importlib.import_module(f"bench.{given.in_process}").run()))
        return 0
    strangers = sorted(set(given.name) - set(names()))
    if strangers:
        parser.error(f"no such measurement: {', '.join(strangers)}; there is: {', '.join(names())}")
    results = {name: _measured(name) for name in given.name or names()}
    print(json.dumps({"machine": _machine(), "results": results}, indent=2))
    return FAILED if any("error" in result for result in results.values()) else 0


def _measured(name: str) -> dict[str, Any]:
    """The result of one measurement, or its last words: one that fails does not lose the others."""
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "--in-process", name],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        return {"error": ran.stderr.strip().splitlines()[-1:] or [f"exit code {ran.returncode}"]}
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result | {"measured_in_seconds": round(time.perf_counter() - began, 1)}


def _machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
