"""How many hosted clusters are resolved in a second on one core, asked as one batch, JSON in and JSON out?

The fleet is mixed on purpose: five releases, three platforms, overrides on, some annotations, some clusters that fail.
"""

from __future__ import annotations

import json
import time
from typing import Any

from pilotage.controlplane.questions import QUESTIONS
from pilotage.decision.questions import answer

__all__ = ["run"]

CLUSTERS = 10_000
ROUNDS = 5
ANNOTATION = "hypershift.openshift.io/control-plane-operator-image"
PLATFORMS = ("AWS", "Azure", "KubeVirt")
VERSIONS = ("4.19.7", "4.20.3", "4.21.0-0.nightly-2026-05-20-043516", "5.0.0-ec.0", "4.10.67")


def run() -> dict[str, Any]:
    """The median of a few rounds; the count of clusters by rule shows that the fleet is a mixed one."""
    question = next(question for question in QUESTIONS if question.name == "cpo.resolve")
    request = json.dumps(_fleet()).encode()
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        text = answer(question, request)
        seconds.append(time.process_time() - began)
    median = sorted(seconds)[ROUNDS // 2]
    rules: dict[str, int] = {}
    for cluster in json.loads(text)["value"]["clusters"].values():
        rule = cluster["rule"] or cluster["error"]["code"]
        rules[rule] = rules.get(rule, 0) + 1
    return {
        "clusters": CLUSTERS,
        "seconds": round(median, 4),
        "clusters_per_second_per_core": round(CLUSTERS / median),
        "rules": rules,
    }


def _fleet() -> dict[str, Any]:
    digest = "a" * 64
    return {
        "hostedClusters": [_cluster(number) for number in range(CLUSTERS)],
        "payloads": {
            f"quay.example.com/release:{version}": {
                "version": version,
                "components": {}
                if version.startswith("4.10")
                else {"hypershift": f"quay.example.com/cpo@sha256:{digest}"},
            }
            for version in VERSIONS
        },
        "overrides": {
            "platforms": {
                "azure": {
                    "overrides": [
                        {"version": f"4.20.{patch}", "cpoImage": f"quay.example.com/pin@sha256:{digest}"}
                        for patch in range(33)
                    ]
                }
            }
        },
        "overridesEnabled": True,
        "hoImage": f"quay.example.com/ho@sha256:{digest}",
        "hoHasCpoBinary": True,
    }


def _cluster(number: int) -> dict[str, Any]:
    version = VERSIONS[number % len(VERSIONS)]
    annotations = {ANNOTATION: "quay.example.com/mine:1"} if number % 50 == 0 else {}
    release = f"quay.example.com/release:{version}" if number % 99 else "quay.example.com/release:gone"
    return {
        "metadata": {"namespace": "clusters", "name": f"cluster-{number}", "annotations": annotations},
        "spec": {"platform": {"type": PLATFORMS[number % len(PLATFORMS)]}, "release": {"image": release}},
    }
