"""Definitions are read in threads: the first reads may come at the same moment, and must not crash the process."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import threading
from pilotage.store.schema.definition import read_definition

sys.setswitchinterval(1e-6)  # makes the moment in which it crashed almost certain
gate = threading.Barrier(16)
value = {"metadata": {"name": "a"}, "spec": {"group": "g", "versions": [{"name": "v1"}]}}

def read():
    gate.wait()
    read_definition(value)

threads = [threading.Thread(target=read) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_reads_may_come_at_once() -> None:
    """Sixteen threads of a fresh process read a definition at the same moment."""
    for _ in range(3):
        assert 0 == subprocess.run([sys.executable, "-c", SCRIPT], check=False).returncode
