"""`pilotage gate step`: the tasks of the pipeline and the commands of the CronJobs, as Konflux runs them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.api.errors import PilotageError
from pilotage.cli.output import say, told
from pilotage.cli.sources import AuthfileOption, CaFileOption, ContextOption, InsecureOption, KubeconfigOption

if TYPE_CHECKING:
    from pilotage.app.gate.steps import Chat, Site
    from pilotage.gate.steps.ending import StepEnd

__all__ = ["step"]

step = typer.Typer(
    name="step",
    help="Do one task of the gate's pipeline on Konflux. Options may be given as environment variables, as Tekton gives them.\n\n"
    "Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 nothing there, 4 something outside failed, 5 somebody else was faster.",
    short_help="Do one task of the gate's pipeline on Konflux.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_OUTSIDE = 4

NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", envvar="GATE_NAMESPACE", help="Namespace of the tenant.")
]
PlatformOption = Annotated[
    str, typer.Option("--platform", envvar="GATE_PLATFORM", help="The managed service, such as aro-hcp.")
]
RunOption = Annotated[str, typer.Option("--run", envvar="GATE_RUN", help="Name of the run in the ledger.")]
PipelineRunOption = Annotated[
    str, typer.Option("--pipeline-run", envvar="GATE_PIPELINE_RUN", help="Name of the PipelineRun.")
]
SnapshotNameOption = Annotated[
    str, typer.Option("--snapshot-name", envvar="GATE_SNAPSHOT_NAME", help="Name of the Snapshot.")
]
PlanOption = Annotated[
    str,
    typer.Option("--release-plan-name", envvar="GATE_RELEASE_PLAN_NAME", help="ReleasePlan of the platform."),
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="DIR",
        envvar="GATE_RESULTS",
        help="Write each result to a file here, unless GATE_RESULT_NAME says where; Tekton's is /tekton/results.",
    ),
]
SlackFileOption = Annotated[
    Path | None,
    typer.Option(
        "--slack-file", metavar="FILE", envvar="SLACK_FILE", help="File with the address of the chat."
    ),
]
SlackSecretOption = Annotated[
    str,
    typer.Option("--slack-secret", metavar="NAME/KEY", help="The Secret with that address: names the chat."),
]
_TENANT = "crt-redhat-acm-tenant"
_CHAT = "slack-webhook/url"


@step.command("extract-image")
def extract_image(
    snapshot: Annotated[
        str, typer.Option("--snapshot", envvar="GATE_SNAPSHOT", help="The Snapshot's spec as JSON.")
    ],
    platform: PlatformOption,
    snapshot_name: SnapshotNameOption = "",
    component: Annotated[
        str, typer.Option("--component", envvar="GATE_COMPONENT", help="Whose image is verified.")
    ] = "hypershift-operator-main",
    pipeline_run: PipelineRunOption = "",
    namespace: NamespaceOption = _TENANT,
    results: ResultsOption = None,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Find the image under test, by digest, and its run in the ledger; a Snapshot that was labelled by hand gets a new run.

    Example: pilotage gate step extract-image --platform aro-hcp --snapshot "$SNAPSHOT" --results /tekton/results
    """
    from pilotage.app.gate import steps
    from pilotage.gate.steps.extract import ExtractRequest

    request = ExtractRequest(snapshot, snapshot_name, platform, component, pipeline_run)
    _finish(lambda: steps.extract_image(_site(namespace, kubeconfig, context), request), results)


@step.command("run-e2e")
def run_e2e(
    platform: PlatformOption,
    run: RunOption,
    required_jobs: Annotated[
        str,
        typer.Option(
            "--required-jobs",
            envvar=["GATE_REQUIRED_JOBS", "GATE_E2E_BLOCKING_JOB_NAMES"],
            help="Jobs that the scenario names: compared with those of the run, which are run.",
        ),
    ] = "",
    informing_jobs: Annotated[
        str,
        typer.Option(
            "--informing-jobs",
            envvar=["GATE_INFORMING_JOBS", "GATE_E2E_INFORMING_JOB_NAMES"],
            help="The same for informing jobs.",
        ),
    ] = "",
    timeout: Annotated[
        str,
        typer.Option("--timeout", envvar="GATE_TIMEOUT", help="Of the task; it ends ten minutes earlier."),
    ] = "5h30m0s",
    gangway: Annotated[
        str, typer.Option("--gangway", envvar="GATE_GANGWAY", help="Address of gangway.")
    ] = "",
    deck: Annotated[str, typer.Option("--deck", envvar="GATE_DECK", help="Address of Prow's deck.")] = "",
    artifacts: Annotated[
        str, typer.Option("--artifacts", envvar="GATE_ARTIFACTS", help="Address of the bucket of artifacts.")
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            envvar="GANGWAY_FILE",
            help="Token of gangway; read for every request.",
        ),
    ] = None,
    namespace: NamespaceOption = _TENANT,
    results: ResultsOption = None,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Run every job of the run on Prow, to the verdict. Tests that fail do not fail the step; started again, it goes on.

    Example: pilotage gate step run-e2e --platform aro-hcp --run aro-hcp-0f3a5c1e9b7d2468 --token-file token
    """
    from pilotage.app.gate import steps
    from pilotage.gate.prow.gangway import ARTIFACTS, DECK, GANGWAY, ProwSettings

    prow = ProwSettings(gangway or GANGWAY, deck or DECK, artifacts or ARTIFACTS, token_file)
    jobs = (required_jobs, informing_jobs)
    _finish(
        lambda: steps.run_e2e(
            _site(namespace, kubeconfig, context), platform, run, prow, steps.limit(timeout), jobs
        ),
        results,
    )


@step.command("evaluate-results")
def evaluate_results(
    platform: PlatformOption,
    run: RunOption,
    namespace: NamespaceOption = _TENANT,
    results: ResultsOption = None,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Say what the results come to, as Konflux reads it. Ends with 1 when the image did not pass, after the results are written.

    Example: pilotage gate step evaluate-results --platform aro-hcp --run aro-hcp-0f3a5c1e9b7d2468
    """
    from pilotage.app.gate import steps

    _finish(lambda: steps.evaluate_results(_site(namespace, kubeconfig, context), platform, run), results)


@step.command("create-release")
def create_release(
    platform: PlatformOption,
    run: RunOption,
    plan: PlanOption,
    timeout: Annotated[
        str,
        typer.Option("--timeout", envvar="GATE_TIMEOUT", help="Of the task; it ends ten minutes earlier."),
    ] = "4h30m0s",
    registry: Annotated[
        bool,
        typer.Option(
            "--registry/--no-registry",
            envvar="GATE_REGISTRY",
            help="Look at the verified repository when the Release succeeded.",
        ),
    ] = True,
    authfile: AuthfileOption = None,
    ca_file: CaFileOption = None,
    insecure: InsecureOption = None,
    namespace: NamespaceOption = _TENANT,
    results: ResultsOption = None,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Release the image of a run that passed, wait for the outcome, and look at the registry. The verdict is the ledger's.

    Example: pilotage gate step create-release --platform aro-hcp --run aro-hcp-0f3a5c1e9b7d2468 --release-plan-name plan
    """
    from pilotage.app.gate import steps
    from pilotage.app.images import ImageAccess

    access = ImageAccess(authfile=authfile, ca_file=ca_file, insecure_hosts=frozenset(insecure or ()))
    _finish(
        lambda: steps.create_release(
            _site(namespace, kubeconfig, context),
            platform,
            run,
            plan,
            steps.limit(timeout),
            access if registry else None,
        ),
        results,
    )


@step.command("notify")
def notify(
    platform: PlatformOption,
    status: Annotated[
        str, typer.Option("--status", envvar="GATE_STATUS", help="$(tasks.status) of the pipeline.")
    ] = "",
    display_name: Annotated[
        str, typer.Option("--gate-label", envvar="GATE_GATE_LABEL", help="How people call the platform.")
    ] = "",
    pipeline_run: PipelineRunOption = "",
    snapshot_name: SnapshotNameOption = "",
    plan: PlanOption = "",
    slack_file: SlackFileOption = None,
    timeout: Annotated[
        str,
        typer.Option("--timeout", envvar="GATE_TIMEOUT", help="Of the task; it ends five minutes earlier."),
    ] = "30m0s",
    namespace: NamespaceOption = _TENANT,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Tell people how the pipeline ended, in one message. Never fails; without a chat the message is printed.

    Example: pilotage gate step notify --platform aro-hcp --status Failed --pipeline-run "$NAME" --slack-file url
    """
    from pilotage.app.gate import steps
    from pilotage.gate.steps.closing import Closing

    request = Closing(
        platform,
        status,
        pipeline_run,
        snapshot_name,
        display_name,
        namespace,
        plan or f"hypershift-operator-ho-release-gate-{platform}",
    )
    _finish(
        lambda: steps.notify(
            _site(namespace, kubeconfig, context), request, _chat(_CHAT, slack_file), steps.limit(timeout)
        ),
        None,
    )


@step.command("trigger")
def trigger(
    schedule: Annotated[
        str, typer.Option("--schedule", help="Only platforms with this schedule. [default: all]")
    ] = "",
    time_zone: Annotated[str, typer.Option("--time-zone", help="Time zone of the schedule.")] = "Etc/UTC",
    platforms: Annotated[
        list[str] | None, typer.Option("--platform", help="Only this platform. Repeatable.")
    ] = None,
    job_name: Annotated[
        str, typer.Option("--job-name", envvar="GATE_JOB_NAME", help="Name of the Job: tells the slot.")
    ] = "",
    job_uid: Annotated[
        str, typer.Option("--job-uid", envvar="GATE_JOB_UID", help="UID of the Job: names a manual trigger.")
    ] = "",
    slack_file: SlackFileOption = None,
    slack_secret: SlackSecretOption = _CHAT,
    namespace: NamespaceOption = _TENANT,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Select a Snapshot for every platform, in order, and start its scenario. One that fails stops no other; the worst code counts.

    Example: pilotage gate step trigger --schedule "15 3 * * *" --time-zone Etc/UTC
    """
    from pilotage.app.gate import steps
    from pilotage.gate.steps.nightly import NightRequest, trigger_of

    name, kind = trigger_of(job_name, job_uid)
    request = NightRequest(
        name, kind, "", schedule, time_zone, tuple(platforms or ()), steps.holder(job_name)
    )
    _finish(
        lambda: steps.trigger(
            _site(namespace, kubeconfig, context), request, _chat(slack_secret, slack_file)
        ),
        None,
    )


@step.command("stale-check")
def stale_check(
    slack_secret: SlackSecretOption = _CHAT,
    slack_file: SlackFileOption = None,
    dead_man_file: Annotated[
        Path | None,
        typer.Option(
            "--dead-man-file",
            metavar="FILE",
            envvar="DEAD_MAN_FILE",
            help="File with an address that is asked after every completed check.",
        ),
    ] = None,
    namespace: NamespaceOption = _TENANT,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
) -> None:
    """Tell when a platform was not promoted for too long, or not even tried, and deliver what waits in the ledger.

    Example: pilotage gate step stale-check --slack-file /secrets/slack/url
    """
    from pilotage.app.gate import steps

    _finish(
        lambda: steps.stale_check(
            _site(namespace, kubeconfig, context), _chat(slack_secret, slack_file), dead_man_file
        ),
        None,
    )


def _site(namespace: str, kubeconfig: str, context: str) -> Site:
    from pilotage.app.clusters import ClusterChoice
    from pilotage.app.gate.steps import Site

    return Site(ClusterChoice(kubeconfig, context), namespace)


def _chat(secret: str, url_file: Path | None) -> Chat:
    from pilotage.app.gate.steps import Chat

    return Chat(secret, url_file)


def _finish(work: Any, results: Path | None) -> None:
    """Do it, write the results, say the rest, and end with the step's own codes."""
    from pilotage.gate.steps.ending import code_of, write_results

    try:
        coroutine: Coroutine[Any, Any, StepEnd] = work()
        end = asyncio.run(coroutine)
        write_results(end.results, _places(end.results, results))
    except PilotageError as error:
        say(told(error))
        raise typer.Exit(code_of(error)) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"error: FileSystem: {where}{error.strerror or error}")
        raise typer.Exit(_OUTSIDE) from None
    if end.says:
        say(end.says)
    raise typer.Exit(end.code)


def _places(names: Any, folder: Path | None) -> dict[str, Path]:
    """Where each result goes: the file that its variable names, else one in the folder."""
    from pilotage.gate.konflux.steps import variable

    places = {}
    for name in names:
        given = os.environ.get(variable("GATE_RESULT", name), "")
        if given or folder is not None:
            places[name] = Path(given) if given else (folder or Path()) / name
    return places
