"""Write down how the built-in kinds look in protobuf, as the Go types of Kubernetes say.

    python tools/wire_types.py

The result is src/pilotage/apiserver/data/wire_types.json.gz: what tools/apiserver/wire prints (needs Go) of the kinds that are
served, of lists of them, and of the reviews that clients ask for.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from pilotage.store.embedded.builtin import BUILT_IN  # noqa: E402  this checkout's

TARGET = ROOT / "src" / "pilotage" / "apiserver" / "data" / "wire_types.json.gz"
BESIDES = [
    ["authentication.k8s.io", "v1", "SelfSubjectReview"],
    ["authentication.k8s.io", "v1", "TokenReview"],
    ["authorization.k8s.io", "v1", "LocalSubjectAccessReview"],
    ["authorization.k8s.io", "v1", "SelfSubjectAccessReview"],
    ["authorization.k8s.io", "v1", "SelfSubjectRulesReview"],
    ["authorization.k8s.io", "v1", "SubjectAccessReview"],
    ["autoscaling", "v1", "Scale"],
    ["events.k8s.io", "v1", "Event"],
]


def main() -> None:
    kinds = [[each.kind.group, each.kind.version, each.kind.kind] for each in BUILT_IN.values()]
    ran = subprocess.run(
        ["go", "run", "-mod=readonly", "./wire"],
        cwd=ROOT / "tools" / "apiserver",
        input=json.dumps(sorted([*kinds, *(each for each in BESIDES if each not in kinds)])).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    told = json.loads(ran.stdout)
    types = {
        name: [[each["number"], each["name"], each["form"]] for each in fields]
        for name, fields in sorted(told["types"].items())
    }
    text = json.dumps({"roots": dict(sorted(told["roots"].items())), "types": types}, separators=(",", ":"))
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{TARGET.relative_to(ROOT)}: {len(told['roots'])} kinds, {len(types)} types")


if __name__ == "__main__":
    main()
