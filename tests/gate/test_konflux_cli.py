"""`pilotage gate step` as Tekton calls it: variables in, small files and an exit code out."""

import asyncio
import json

import pytest
import typer

from pilotage.api.konflux import SNAPSHOT
from pilotage.apiserver import kubeconfig
from pilotage.apiserver.server import serving
from pilotage.cli import program
from pilotage.gate.konflux.steps import NOTIFY, STEPS, variable
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

from .konfluxrig import TENANT, definition_map, furnish


async def test_a_task_reads_variables_and_writes_small_files(tmp_path, monkeypatch, capsys):
    """Image and run are found; the verdict that is not there yet is an error, told after its results are written."""
    async with await EmbeddedStore.open(None, SystemClock(), is_strict=True) as store, serving(store) as api:
        await furnish(store, definition_map())
        kubeconfig.write(tmp_path / "kubeconfig", api.address, api.identity)
        (found,) = (await store.list(SNAPSHOT, TENANT)).items
        given = {
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "GATE_NAMESPACE": TENANT,
            "GATE_PIPELINE_RUN": "run-1",
            "GATE_SNAPSHOT_NAME": found.meta.name,
            "GATE_SNAPSHOT": json.dumps(found.value()["spec"]),
            "GATE_PLATFORM": "aro-hcp",
            "GATE_RESULT_DIGEST": str(tmp_path / "elsewhere" / "digest"),
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        results = tmp_path / "results"

        code = await asyncio.to_thread(
            program.run, ["gate", "step", "extract-image", "--results", str(results)]
        )

        assert 0 == code, capsys.readouterr().err
        assert sorted(each.name for each in results.iterdir()) == [
            "image",
            "revision",
            "run",
            "snapshot-name",
        ]
        assert (tmp_path / "elsewhere" / "digest").read_text().startswith("sha256:")
        monkeypatch.setenv("GATE_RUN", (results / "run").read_text())
        arguments = ["gate", "step", "evaluate-results", "--results", str(results)]
        assert 1 == await asyncio.to_thread(program.run, arguments)
        assert "ERROR" == json.loads((results / "TEST_OUTPUT").read_text())["result"]
        monkeypatch.setenv("GATE_RELEASE_PLAN_NAME", "plan")
        assert 1 == await asyncio.to_thread(program.run, ["gate", "step", "create-release", "--no-registry"])
        monkeypatch.setenv("GATE_RUN", "aro-hcp-0000000000000000")
        assert 3 == await asyncio.to_thread(program.run, ["gate", "step", "evaluate-results"])
        assert 0 == await asyncio.to_thread(program.run, ["gate", "step", "notify", "--status", "Failed"])
        assert "gate inconclusive" in capsys.readouterr().err


@pytest.mark.parametrize("step", [*STEPS, NOTIFY], ids=lambda step: step.name)
def test_every_variable_of_the_pipeline_is_read(step):
    """What the pipeline gives a task is an option of its step; a few are for the templates only."""
    command = (
        typer.main.get_command(program.build("gate")).commands["gate"].commands["step"].commands[step.name]
    )
    known = {
        name
        for each in command.params
        for name in ([each.envvar] if isinstance(each.envvar, str) else each.envvar or [])
    }
    wanted = {variable("GATE", name) for name in (*step.parameters, *(name for name, _ in step.inputs))}
    unused = {"GATE_MATRIX_REF", "GATE_IMAGE", "GATE_DIGEST", "GATE_STALE_THRESHOLD_DAYS"}
    assert set() == wanted - known - unused
    credential = {"gangway": "GANGWAY_FILE", "slack": "SLACK_FILE"}.get(step.credential or "")
    assert credential is None or credential in known
