"""The kinds of Konflux and Tekton that the gate reads, writes or renders, with the labels and annotations it knows them by.

Follows konflux-ci/application-api, konflux-ci/integration-service and konflux-ci/release-service.
"""

from __future__ import annotations

from typing import Final

from pilotage.api.meta import Kind

__all__ = [
    "APPLICATION_LABEL",
    "AUTHOR_LABEL",
    "AUTO_RELEASE_LABEL",
    "BLOCKED_ANNOTATION",
    "BLOCK_RELEASES_LABEL",
    "BUILD_START_ANNOTATION",
    "COMPONENT_GROUP",
    "COMPONENT_GROUP_LABEL",
    "COMPONENT_LABEL",
    "EVENT_TYPE_LABEL",
    "INTEGRATION_TEST_SCENARIO",
    "KEEP_SNAPSHOT_ANNOTATION",
    "KINDS",
    "OPTIONAL_LABEL",
    "PIPELINE_RUN",
    "PULL_REQUEST_LABEL",
    "RELEASE",
    "RELEASE_PLAN",
    "RELEASE_PLAN_ADMISSION",
    "RELEASE_PLAN_ADMISSION_LABEL",
    "RUN_LABEL",
    "SNAPSHOT",
    "SNAPSHOT_LABEL",
    "SOURCE_BRANCH_ANNOTATION",
    "STANDING_ATTRIBUTION_LABEL",
    "STATUS_ANNOTATION",
    "TYPE_LABEL",
]

_GROUP: Final = "appstudio.redhat.com"

SNAPSHOT: Final = Kind(_GROUP, "v1alpha1", "Snapshot", "snapshots")
INTEGRATION_TEST_SCENARIO: Final = Kind(
    _GROUP, "v1beta2", "IntegrationTestScenario", "integrationtestscenarios"
)
COMPONENT_GROUP: Final = Kind(_GROUP, "v1beta2", "ComponentGroup", "componentgroups")
RELEASE_PLAN: Final = Kind(_GROUP, "v1alpha1", "ReleasePlan", "releaseplans", short_names=("rp",))
RELEASE_PLAN_ADMISSION: Final = Kind(
    _GROUP, "v1alpha1", "ReleasePlanAdmission", "releaseplanadmissions", short_names=("rpa",)
)
RELEASE: Final = Kind(_GROUP, "v1alpha1", "Release", "releases")
PIPELINE_RUN: Final = Kind("tekton.dev", "v1", "PipelineRun", "pipelineruns", short_names=("pr", "prs"))
KINDS: Final = (
    SNAPSHOT,
    INTEGRATION_TEST_SCENARIO,
    COMPONENT_GROUP,
    RELEASE_PLAN,
    RELEASE_PLAN_ADMISSION,
    RELEASE,
    PIPELINE_RUN,
)

APPLICATION_LABEL: Final = "appstudio.openshift.io/application"
COMPONENT_LABEL: Final = "appstudio.openshift.io/component"
COMPONENT_GROUP_LABEL: Final = "appstudio.openshift.io/component-group"
SNAPSHOT_LABEL: Final = "appstudio.openshift.io/snapshot"

EVENT_TYPE_LABEL: Final = "pac.test.appstudio.openshift.io/event-type"
PULL_REQUEST_LABEL: Final = "pac.test.appstudio.openshift.io/pull-request"
SOURCE_BRANCH_ANNOTATION: Final = "pac.test.appstudio.openshift.io/source-branch"

TYPE_LABEL: Final = "test.appstudio.openshift.io/type"
RUN_LABEL: Final = "test.appstudio.openshift.io/run"
OPTIONAL_LABEL: Final = "test.appstudio.openshift.io/optional"
STATUS_ANNOTATION: Final = "test.appstudio.openshift.io/status"
KEEP_SNAPSHOT_ANNOTATION: Final = "test.appstudio.openshift.io/keep-snapshot"
BUILD_START_ANNOTATION: Final = "test.appstudio.openshift.io/pipelinerunstarttime"

AUTO_RELEASE_LABEL: Final = "release.appstudio.openshift.io/auto-release"
RELEASE_PLAN_ADMISSION_LABEL: Final = "release.appstudio.openshift.io/releasePlanAdmission"
STANDING_ATTRIBUTION_LABEL: Final = "release.appstudio.openshift.io/standing-attribution"
AUTHOR_LABEL: Final = "release.appstudio.openshift.io/author"
BLOCK_RELEASES_LABEL: Final = "release.appstudio.openshift.io/block-releases"

BLOCKED_ANNOTATION: Final = "gate.pilotage.dev/blocked"
