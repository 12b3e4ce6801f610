"""Our kinds for the gate (`gate.pilotage.dev/v1alpha1`): what is gated, what was run, promoted, alarmed and told.

    Gate           a platform, written by people: the only thing to write to onboard one
    VersionMatrix  control plane versions as data; a Gate's jobs may come from it
    GateRun        one attempt to verify one digest for one platform. `spec` is what was planned and never changes; `status` is
                   the ledger of the run: every attempt of every job, and the events in the order in which they were written
    Promotion      one digest promoted for one platform, and what became of it (yanked, rolled back)
    Alert          an episode of staleness or of a missing heartbeat
    Notification   a message in the outbox: written with the event, sent later, at least once

They live in the embedded store and in dumps; on a Konflux cluster none of them is installed. Times are RFC 3339 in UTC. Their
CustomResourceDefinitions are generated from these types (`api.crd`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from pilotage.api.crd import Column, Definition
from pilotage.api.meta import Condition, Kind, Meta

__all__ = [
    "ALERT",
    "APPROVED_ANNOTATION",
    "ATTEMPT_LABEL",
    "CANCEL_ANNOTATION",
    "DEFINITIONS",
    "DIGEST_LABEL",
    "GATE",
    "GATE_RUN",
    "GROUP",
    "JOB_KEY_LABEL",
    "KINDS",
    "LIVE_LABEL",
    "NOTIFICATION",
    "PLATFORM_LABEL",
    "PROMOTION",
    "RUN_CLASS_LABEL",
    "RUN_LABEL",
    "VERSION_MATRIX",
    "Alert",
    "AlertSpec",
    "AlertStatus",
    "AttemptRecord",
    "Cancellation",
    "Exemption",
    "FreezeWindow",
    "Gate",
    "GateJob",
    "GateRun",
    "GateRunSpec",
    "GateRunStatus",
    "GateSpec",
    "GateStatus",
    "JobHistory",
    "JobRecord",
    "LedgerEvent",
    "MatrixCell",
    "MatrixMinor",
    "MatrixTemplate",
    "NamedReference",
    "Notification",
    "NotificationSpec",
    "NotificationStatus",
    "PolicySettings",
    "Promotion",
    "PromotionIntent",
    "PromotionSpec",
    "PromotionStatus",
    "QuarantineEntry",
    "RetrySettings",
    "RunJob",
    "RunSummary",
    "SecretKeyReference",
    "SelectionSettings",
    "SnapshotPin",
    "StaleSettings",
    "TickRecord",
    "TriggerRecord",
    "VersionMatrix",
    "VersionMatrixSpec",
    "Withdrawal",
    "YankedDigest",
]

GROUP: Final = "gate.pilotage.dev"
GATE: Final = Kind(GROUP, "v1alpha1", "Gate", "gates")
VERSION_MATRIX: Final = Kind(GROUP, "v1alpha1", "VersionMatrix", "versionmatrices", short_names=("vmx",))
GATE_RUN: Final = Kind(GROUP, "v1alpha1", "GateRun", "gateruns", short_names=("grun",))
PROMOTION: Final = Kind(GROUP, "v1alpha1", "Promotion", "promotions", short_names=("promo",))
ALERT: Final = Kind(GROUP, "v1alpha1", "Alert", "alerts")
NOTIFICATION: Final = Kind(GROUP, "v1alpha1", "Notification", "notifications", short_names=("notif",))
KINDS: Final = (GATE, VERSION_MATRIX, GATE_RUN, PROMOTION, ALERT, NOTIFICATION)

PLATFORM_LABEL: Final = f"{GROUP}/platform"
RUN_LABEL: Final = f"{GROUP}/run"
JOB_KEY_LABEL: Final = f"{GROUP}/job-key"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
RUN_CLASS_LABEL: Final = f"{GROUP}/run-class"
LIVE_LABEL: Final = f"{GROUP}/live"
"""`true` on a run until nothing will be written to it any more; what is under way is found by it."""
CANCEL_ANNOTATION: Final = f"{GROUP}/cancel"
"""On a GateRun: a Cancellation as JSON, by whoever wants it stopped."""
APPROVED_ANNOTATION: Final = f"{GROUP}/approved-by"
"""On a GateRun: people who approve its promotion, comma-separated."""
DIGEST_LABEL: Final = f"{GROUP}/digest"
"""The first 63 hexadecimal digits of the digest, for selectors."""

_DIGEST: Final = "^sha256:[0-9a-f]{64}$"
_PLATFORM: Final = "^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$"


def _about(description: str, **more: object) -> msgspec.Meta:
    return msgspec.Meta(description=description, extra_json_schema=more or None)


def _by(*keys: str) -> dict[str, object]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


Time = Annotated[str, _about("RFC 3339; empty when it did not happen.")]
Platform = Annotated[
    str,
    msgspec.Meta(
        description="Slug of the managed service: aro-hcp, rosa-hcp, gcp-hcp.",
        pattern=_PLATFORM,
        max_length=20,
    ),
]
Digest = Annotated[str, msgspec.Meta(description="Digest of the image.", pattern=_DIGEST)]
Conditions = Annotated[
    tuple[Condition, ...], _about("What is known about the object, one entry for each type.", **_by("type"))
]
JobType = Literal["required", "blocking", "informing"]


# -- what people write ------------------------------------------------------------------------------------------------


class NamedReference(msgspec.Struct, frozen=True, rename="camel"):
    """An object of the same namespace."""

    name: str


class SecretKeyReference(msgspec.Struct, frozen=True, rename="camel"):
    """A key of a Secret of the same namespace."""

    name: str
    key: str


class GateJob(msgspec.Struct, frozen=True, rename="camel"):
    """One end-to-end job."""

    name: Annotated[str, msgspec.Meta(description="Name of the Prow job.", min_length=1)]
    type: Annotated[
        JobType,
        _about(
            "Required jobs decide the verdict, informing jobs are reported; blocking is another word for required."
        ),
    ] = "required"
    phase: Annotated[
        int, msgspec.Meta(description="1 basics, 2 version matrix, 3 the platform's own tests.", ge=1, le=3)
    ] = 1
    owner: Annotated[str, _about("The team that looks after the job.")] = ""
    contact: Annotated[str, _about("Where that team is reached.")] = ""
    env: Annotated[dict[str, str], _about("Environment of every container of the job.")] = msgspec.field(
        default_factory=dict
    )
    deadline_minutes: Annotated[int, msgspec.Meta(description="From its trigger.", ge=1)] = 240
    semaphore: Annotated[str, _about("Jobs that name the same one share its slots.")] = ""
    cluster_hours: Annotated[
        float, msgspec.Meta(description="What one attempt uses, for the forecast of cost.", ge=0)
    ] = 0.0


class RetrySettings(msgspec.Struct, frozen=True, rename="camel"):
    """When a job is run again in the same night."""

    max_product_attempts: Annotated[int, msgspec.Meta(ge=1)] = 2
    max_infra_attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    retry_timeouts: bool = False
    max_failed_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class StaleSettings(msgspec.Struct, frozen=True, rename="camel"):
    """When somebody is told that nothing was promoted."""

    threshold_days: float = 3.0
    remind_hours: float = 24.0


class QuarantineEntry(msgspec.Struct, frozen=True, rename="camel"):
    """A required job that counts as informing for a while."""

    job: str
    until: Time
    reason: str = ""
    owner: str = ""
    bug: str = ""
    since: Annotated[str, _about("When somebody set it aside.")] = ""


class SelectionSettings(msgspec.Struct, frozen=True, rename="camel"):
    """Which Snapshots may be tested."""

    require_auto_released: bool = True
    allow_superseded: bool = False
    allow_override: bool = False
    max_age_hours: float | None = None
    max_clock_skew_seconds: float = 300.0
    auto_release_plan: Annotated[
        str, _about("ReleasePlan whose succeeded Release is the evidence of a release.")
    ] = ""


class FreezeWindow(msgspec.Struct, frozen=True, rename="camel"):
    """Nothing is promoted in this time."""

    start: Time
    end: Time
    reason: str = ""


class Exemption(msgspec.Struct, frozen=True, rename="camel"):
    """A rule of the policy that does not hold for a while."""

    rule: str
    until: Time
    approver: str
    reason: str = ""


class PolicySettings(msgspec.Struct, frozen=True, rename="camel"):
    """What must hold besides the verdict before an image is promoted."""

    source_registries: Annotated[tuple[str, ...], _about("Where images may come from; empty: anywhere.")] = ()
    signature_key: Annotated[
        str, _about("Public key (PEM) of a signature that the image must carry; empty: none needed.")
    ] = ""
    require_provenance: bool = False
    architectures: Annotated[
        tuple[str, ...], _about("Platforms that the index must list, such as linux/amd64.")
    ] = ()
    max_age_hours: float | None = None
    freeze: tuple[FreezeWindow, ...] = ()
    two_person: Annotated[bool, _about("A person other than the one who triggered the run must approve.")] = (
        False
    )
    exemptions: tuple[Exemption, ...] = ()


class YankedDigest(msgspec.Struct, frozen=True, rename="camel"):
    """An image that a person took back."""

    digest: Digest
    reason: str
    by: str
    at: Time


class Soak(msgspec.Struct, frozen=True, rename="camel"):
    """Promote only what another platform has been promoted to for so long."""

    platform: Platform
    hours: Annotated[float, msgspec.Meta(ge=0)]


class GateSpec(msgspec.Struct, frozen=True, rename="camel"):
    """How operator images are verified for one platform."""

    platform: Platform
    display_name: str
    verified_repository: Annotated[
        str,
        msgspec.Meta(description="Where verified images go: registry/repository, without tag.", min_length=1),
    ]
    owners: Annotated[tuple[str, ...], msgspec.Meta(description="Who is told and who decides.", min_length=1)]
    jobs: Annotated[tuple[GateJob, ...], _about("The jobs to run.", **_by("name"))] = ()
    matrix_ref: Annotated[NamedReference | None, _about("A VersionMatrix whose jobs are run as well.")] = None
    schedule: Annotated[str, _about("Cron expression of five fields.")] = "15 3 * * *"
    time_zone: Annotated[str, _about("Name in the IANA time zone database.")] = "Etc/UTC"
    application: str = "hypershift-operator"
    component: str = "hypershift-operator-main"
    component_group: Annotated[str, _about("Takes the place of application.")] = ""
    tenant_namespace: Annotated[str, _about("Where the Snapshots are.")] = "crt-redhat-acm-tenant"
    managed_namespace: Annotated[str, _about("Where releases are admitted.")] = "rhtap-releng-tenant"
    aliases: Annotated[
        tuple[Literal["latest", "sha", "short-sha"], ...], _about("Tags that move to each promoted image.")
    ] = ("latest", "sha", "short-sha")
    selection: SelectionSettings = SelectionSettings()
    retry: RetrySettings = RetrySettings()
    policy: PolicySettings = PolicySettings()
    yanked: Annotated[
        tuple[YankedDigest, ...],
        _about("Images that must not be used, whatever was promoted.", **_by("digest")),
    ] = ()
    stale: StaleSettings = StaleSettings()
    quarantine: Annotated[
        tuple[QuarantineEntry, ...], _about("Jobs set aside for a while.", **_by("job"))
    ] = ()
    max_quarantined_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.25
    max_runs_per_digest: Annotated[int, msgspec.Meta(ge=1)] = 3
    run_deadline_minutes: Annotated[int, msgspec.Meta(description="Of a whole run.", ge=1)] = 320
    fail_fast: Annotated[bool, _about("Start no further jobs once the verdict is certain.")] = False
    allow_platform_required: Annotated[
        bool, _about("Jobs of phase 3 may be required; an owner agreed to look after them.")
    ] = False
    required_soak: Soak | None = None
    slack_channel_ref: Annotated[SecretKeyReference | None, _about("Incoming webhook of the chat.")] = None
    paused: Annotated[bool, _about("Start no runs.")] = False
    paused_until: Annotated[str, _about("No alerts before this time either.")] = ""
    pause_reason: str = ""
    onboarded_at: Time = ""
    pipeline_ref: Annotated[str, _about("Another pipeline than the common one.")] = ""
    monthly_budget_hours: Annotated[
        float,
        msgspec.Meta(
            description="Cluster hours a month; 0: no limit. Informing jobs and retries stop first.", ge=0
        ),
    ] = 0.0


class TickRecord(msgspec.Struct, frozen=True, rename="camel"):
    """What the last slot of the schedule, or the last manual trigger, came to."""

    id: str = ""
    at: Time = ""
    action: str = ""
    reason: str = ""
    snapshot: str = ""
    digest: str = ""


class RunSummary(msgspec.Struct, frozen=True, rename="camel"):
    """A finished run in one line, so that questions about a gate need not read its runs."""

    name: str
    digest: str = ""
    revision: str | None = None
    verdict: str = ""
    state: str = ""
    built_at: Annotated[str, _about("When the Snapshot was made.")] = ""
    started_at: Time = ""
    triggered_at: Annotated[str, _about("When the first job began.")] = ""
    finished_at: Time = ""
    retries: int = 0
    saved: Annotated[bool, _about("It passed, and would not have without retries of required jobs.")] = False
    job_set: Annotated[str, _about("Names the set of its jobs: equal for equal sets.")] = ""
    cause: Annotated[
        str, _about("Why it did not pass, as triage found: infra, flake, test-bug, quota, product.")
    ] = ""
    forced: bool = False


class JobHistory(msgspec.Struct, frozen=True, rename="camel"):
    """How a job went in the newest runs, newest first."""

    name: str
    minutes: Annotated[tuple[float, ...], _about("How long attempts took that ended by themselves.")] = ()
    retried: Annotated[tuple[bool, ...], _about("Whether it needed another attempt.")] = ()
    results: Annotated[dict[str, int], _about("How often attempts ended how, since the beginning.")] = (
        msgspec.field(default_factory=dict)
    )


class GateStatus(msgspec.Struct, frozen=True, rename="camel"):
    """Where the gate stands."""

    last_tick: TickRecord | None = None
    last_slot: Annotated[
        str, _about("The last slot of the schedule that was acted on; restarts go on behind it.")
    ] = ""
    next_tick: Time = ""
    active_run: str = ""
    pending_snapshot: Annotated[
        str, _about("Waits until the active run ends; a newer one takes its place.")
    ] = ""
    last_promotion: Annotated[RunSummary | None, _about("The run whose image was promoted last.")] = None
    last_promoted_tag: str = ""
    latest_eligible: TickRecord | None = None
    consecutive_failures: int = 0
    verdicts: Annotated[
        dict[str, int], _about("How many runs ended with each verdict, since the beginning.")
    ] = msgspec.field(default_factory=dict)
    run_seconds: Annotated[float, _about("How long those runs took in all.")] = 0.0
    recent: Annotated[tuple[RunSummary, ...], _about("The newest runs, newest first.", **_by("name"))] = ()
    jobs: Annotated[
        tuple[JobHistory, ...], _about("How long jobs take and how often they flake.", **_by("name"))
    ] = ()
    conditions: Conditions = ()


class Gate(msgspec.Struct, frozen=True, rename="camel"):
    """A platform whose operator images are tested before they are promoted."""

    spec: GateSpec
    metadata: Meta = Meta()
    status: GateStatus = GateStatus()


class MatrixMinor(msgspec.Struct, frozen=True, rename="camel"):
    """A minor version and its releases."""

    minor: str
    supported: bool = True
    releases: tuple[str, ...] = ()
    end_of_life: Time = ""


class MatrixTemplate(msgspec.Struct, frozen=True, rename="camel"):
    """Makes a job of each version. {minor}, {version}, {role}, {from}, {to} and {management} are replaced in name and env."""

    name: str
    kind: Literal["hosted", "upgrade"] = "hosted"
    type: JobType = "required"
    from_role: str = msgspec.field(name="from", default="")
    to_role: str = msgspec.field(name="to", default="")
    phase: Annotated[int, msgspec.Meta(ge=1, le=3)] = 2
    owner: str = ""
    contact: str = ""
    env: dict[str, str] = msgspec.field(default_factory=dict)
    cluster_hours: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class VersionMatrixSpec(msgspec.Struct, frozen=True, rename="camel"):
    """Which versions of hosted and management clusters are tested."""

    minors: Annotated[tuple[MatrixMinor, ...], _about("Every minor version that is known.", **_by("minor"))]
    select: tuple[Literal["latest", "latest-minus-one", "zero"], ...] = ("latest", "latest-minus-one", "zero")
    templates: Annotated[tuple[MatrixTemplate, ...], _about("What is run for each.", **_by("name"))] = ()
    management: Annotated[
        tuple[str, ...], _about("Versions of the management cluster; empty: the latest supported.")
    ] = ()


class VersionMatrix(msgspec.Struct, frozen=True, rename="camel"):
    """Control plane versions as data: the jobs of a gate follow from it."""

    spec: VersionMatrixSpec
    metadata: Meta = Meta()


# -- the ledger -------------------------------------------------------------------------------------------------------


class SnapshotPin(msgspec.Struct, frozen=True, rename="camel"):
    """The Snapshot as it was when the run was planned."""

    namespace: str
    name: str
    uid: str = ""
    generation: int = 0
    spec_hash: str = ""
    created: Time = ""


class TriggerRecord(msgspec.Struct, frozen=True, rename="camel"):
    """Why there is a run."""

    id: Annotated[str, _about("Slot of the schedule (2026-06-11T03:15Z), or the id of a manual trigger.")]
    kind: Literal["schedule", "manual", "coalesced"] = "schedule"
    reason: Annotated[str, _about("new, retry or forced.")] = "new"
    by: str = ""
    why: Annotated[str, _about("What the person said.")] = ""
    forced: bool = False


class MatrixCell(msgspec.Struct, frozen=True, rename="camel"):
    """The versions that a job tests."""

    hosted: str = ""
    management: str = ""
    roles: tuple[str, ...] = ()


class RunJob(msgspec.Struct, frozen=True, rename="camel"):
    """A job as it was planned; required jobs that are quarantined are informing, and say so."""

    name: str
    type: Literal["required", "informing"] = "required"
    phase: int = 1
    owner: str = ""
    contact: str = ""
    env: dict[str, str] = msgspec.field(default_factory=dict)
    deadline_minutes: int = 240
    semaphore: str = ""
    cluster_hours: float = 0.0
    cell: MatrixCell | None = None


class GateRunSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What is tested, for whom, with which jobs. Never changes."""

    platform: Platform
    snapshot: SnapshotPin
    image: Annotated[str, _about("The image under test, by digest.")]
    digest: Digest
    trigger: TriggerRecord
    jobs: Annotated[tuple[RunJob, ...], _about("The pinned jobs.", **_by("name"))]
    created_at: Time
    deadline: Time
    revision: Annotated[str | None, _about("Commit that the image was built from.")] = None
    tests_image: Annotated[str, _about("The image with the tests, by digest.")] = ""
    run_class: Annotated[Literal["", "test"], _about("Runs of class test do not count in any history.")] = ""
    subset: Annotated[bool, _about("Only some of the jobs are run again.")] = False


class AttemptRecord(msgspec.Struct, frozen=True, rename="camel"):
    """One start of one job. `result` is empty until something is known."""

    number: int
    key: Annotated[
        str, _about("Goes with the job as a label, so that a start whose answer was lost is found again.")
    ]
    intent_at: Time = ""
    image: Annotated[str, _about("The digest that the job was told to test.")] = ""
    posts: Annotated[int, _about("1: the start was sent, and it is not known what became of it.")] = 0
    reconciles: int = 0
    reconciled_at: Time = ""
    id: str = ""
    triggered_at: Time = ""
    url: str = ""
    result: Annotated[
        str,
        _about(
            "pending, passed, failed, aborted, infra_error, timeout, trigger_error, lost, skipped or unknown."
        ),
    ] = ""
    completed_at: Time = ""
    next_poll_at: Time = ""
    unknown_since: Time = ""
    gone_count: int = 0
    gone_at: Time = ""
    transient_count: int = 0
    cancelled_by: str = ""
    late_result: Annotated[str, _about("What came after we had stopped waiting.")] = ""
    detail: str = ""


class JobRecord(msgspec.Struct, frozen=True, rename="camel"):
    """All attempts of a job."""

    name: str
    attempts: Annotated[tuple[AttemptRecord, ...], _about("In order.", **_by("number"))] = ()
    decision: Annotated[str, _about("What was decided about another attempt.")] = ""


class LedgerEvent(msgspec.Struct, frozen=True, rename="camel"):
    """Something that was written down, in one word and in details."""

    at: Time
    type: Annotated[
        str, _about("RunPlanned, JobIntent, JobTriggered, JobResult, Evaluated, PromoteIntent, Promoted, ...")
    ]
    message: str = ""
    job: str = ""
    attempt: int = 0


class PromotionIntent(msgspec.Struct, frozen=True, rename="camel"):
    """That a promotion began, and how far it came."""

    at: Time
    tag: str = ""
    release: str = ""
    attestation_digest: str = ""
    failures: int = 0
    retry_at: Time = ""
    message: str = ""


class Cancellation(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody stopped the run."""

    at: Time
    by: str
    reason: str = ""


class GateRunStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The ledger of the run."""

    state: Annotated[
        str,
        _about(
            "planned, triggered, testing, evaluated, promoting, promoted; or failed, errored, cancelled, superseded, promotion-failed."
        ),
    ] = ""
    verdict: Annotated[str, _about("passed, failed or error; written once.")] = ""
    verdict_reason: str = ""
    message: str = ""
    evaluated_at: Time = ""
    finished_at: Time = ""
    last_seen: Annotated[
        str, _about("The latest time that was seen: deadlines do not follow a clock that runs back.")
    ] = ""
    suspended_since: Annotated[str, _about("Since when credentials are refused.")] = ""
    jobs: Annotated[tuple[JobRecord, ...], _about("What became of each job.", **_by("name"))] = ()
    events: Annotated[tuple[LedgerEvent, ...], _about("In the order in which they were written.")] = ()
    promotion: PromotionIntent | None = None
    cancellation: Cancellation | None = None
    cause: Annotated[str, _about("What triage found: infra, flake, test-bug, quota, product.")] = ""
    conditions: Conditions = ()


class GateRun(msgspec.Struct, frozen=True, rename="camel"):
    """One attempt to verify one image for one platform."""

    spec: GateRunSpec
    metadata: Meta = Meta()
    status: GateRunStatus = GateRunStatus()


class PromotionSpec(msgspec.Struct, frozen=True, rename="camel"):
    """An image that was promoted for a platform. Never changes."""

    platform: Platform
    digest: Digest
    repository: str
    tag: Annotated[str, _about("The canonical tag.")]
    run: Annotated[str, _about("The GateRun that passed.")]
    at: Time
    by: str = ""
    snapshot: str = ""
    built_at: Annotated[str, _about("When the Snapshot was created: which of two promotions is newer.")] = ""
    revision: str | None = None
    release_ref: str = ""
    attestation_digest: str = ""
    aliases: tuple[str, ...] = ()


class Withdrawal(msgspec.Struct, frozen=True, rename="camel"):
    """A person's decision about a promotion: yank, unyank, or rollback to it."""

    action: Literal["yank", "unyank", "rollback"]
    at: Time
    by: str
    reason: str
    revocation_digest: str = ""
    replaced: Annotated[str, _about("Digest that the aliases named before, or name now.")] = ""


class PromotionStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What became of the promotion."""

    yanked: bool = False
    withdrawals: Annotated[tuple[Withdrawal, ...], _about("In order.")] = ()
    conditions: Conditions = ()


class Promotion(msgspec.Struct, frozen=True, rename="camel"):
    """One digest under one platform's tag in the verified repository."""

    spec: PromotionSpec
    metadata: Meta = Meta()
    status: PromotionStatus = PromotionStatus()


class AlertSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What the alarm is about."""

    key: Annotated[str, _about("stale/PLATFORM or heartbeat/PLATFORM.")]
    platform: Platform


class AlertStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The episode."""

    level: Annotated[str, _about("warning or critical.")] = ""
    reference: Annotated[
        str, _about("What the episode counts from; another reference is another episode.")
    ] = ""
    opened_at: Time = ""
    last_sent_at: Time = ""
    resolved_at: Time = ""
    message: str = ""


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """Nothing was promoted, or nothing was even tried, for too long."""

    spec: AlertSpec
    metadata: Meta = Meta()
    status: AlertStatus = AlertStatus()


class NotificationSpec(msgspec.Struct, frozen=True, rename="camel"):
    """A message that somebody must get."""

    event: Annotated[str, _about("What it tells; with the channel it is told once.")]
    channel: str
    platform: Platform
    message: Annotated[str, _about("The message as JSON, independent of the channel.")]
    created_at: Time


class NotificationStatus(msgspec.Struct, frozen=True, rename="camel"):
    """Whether it was delivered."""

    attempts: int = 0
    first_at: Annotated[str, _about("When it was tried first; a day later nobody tries any more.")] = ""
    next_at: Time = ""
    delivered_at: Time = ""
    dead: Annotated[bool, _about("Nobody will try again; a person must look.")] = False
    plain: Annotated[bool, _about("It was refused and is sent as plain text.")] = False
    error: str = ""


class Notification(msgspec.Struct, frozen=True, rename="camel"):
    """A message in the outbox."""

    spec: NotificationSpec
    metadata: Meta = Meta()
    status: NotificationStatus = NotificationStatus()


_UNCHANGED: Final = ("self.spec == oldSelf.spec", "spec never changes")

DEFINITIONS: Final = (
    Definition(
        GATE,
        Gate,
        columns=(
            Column("Platform", ".spec.platform"),
            Column("Schedule", ".spec.schedule"),
            Column("Paused", ".spec.paused", type="boolean"),
            Column("Run", ".status.activeRun"),
            Column("Promoted", ".status.lastPromotion.finishedAt", type="date"),
            Column("Failures", ".status.consecutiveFailures", type="integer"),
            Column("Tag", ".status.lastPromotedTag", priority=1),
        ),
        rules=(
            ("self.metadata.name == self.spec.platform", "a gate has the name of its platform"),
            (
                "has(self.spec.jobs) && size(self.spec.jobs) > 0 || has(self.spec.matrixRef) && self.spec.matrixRef != null",
                "name jobs, or a version matrix with matrixRef",
            ),
        ),
    ),
    Definition(
        VERSION_MATRIX,
        VersionMatrix,
        columns=(Column("Age", ".metadata.creationTimestamp", type="date"),),
    ),
    Definition(
        GATE_RUN,
        GateRun,
        columns=(
            Column("Platform", ".spec.platform"),
            Column("State", ".status.state"),
            Column("Verdict", ".status.verdict"),
            Column("Reason", ".status.verdictReason"),
            Column("Snapshot", ".spec.snapshot.name", priority=1),
            Column("Digest", ".spec.digest", priority=1),
            Column("Age", ".metadata.creationTimestamp", type="date"),
        ),
        rules=(_UNCHANGED,),
    ),
    Definition(
        PROMOTION,
        Promotion,
        columns=(
            Column("Platform", ".spec.platform"),
            Column("Tag", ".spec.tag"),
            Column("Yanked", ".status.yanked", type="boolean"),
            Column("Run", ".spec.run", priority=1),
            Column("Age", ".spec.at", type="date"),
        ),
        rules=(_UNCHANGED,),
    ),
    Definition(
        ALERT,
        Alert,
        columns=(
            Column("Key", ".spec.key"),
            Column("Level", ".status.level"),
            Column("Opened", ".status.openedAt", type="date"),
            Column("Resolved", ".status.resolvedAt", type="date"),
        ),
    ),
    Definition(
        NOTIFICATION,
        Notification,
        columns=(
            Column("Event", ".spec.event"),
            Column("Channel", ".spec.channel"),
            Column("Delivered", ".status.deliveredAt", type="date"),
            Column("Dead", ".status.dead", type="boolean"),
        ),
        rules=(_UNCHANGED,),
    ),
)
"""What `pilotage crds` prints for the gate."""
