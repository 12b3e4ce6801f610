"""What every command has in common: a quick start, help, exit codes, readers that go away, completion."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pilotage import __version__
from pilotage.cli import program

HEAVY = ("aiohttp", "rich", "sqlite3", "pygments", "markdown_it")
ONLY_HELP = ("orjson", "yaml", "zstandard", "semver", "pilotage.app", "pilotage.store", "pilotage.images")
PINNED = {
    "apiVersion": "hypershift.openshift.io/v1beta1",
    "kind": "HostedCluster",
    "metadata": {
        "name": "pinned",
        "namespace": "clusters",
        "annotations": {"hypershift.openshift.io/control-plane-operator-image": "quay.example.com/cpo:1"},
    },
    "spec": {"platform": {"type": "AWS"}, "release": {"image": "quay.example.com/release:1"}},
}
LOADED = """
import json, sys
from pilotage.cli import program
code = program.run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(*arguments: str, stdin: bytes = b"") -> tuple[int, set[str]]:
    """Exit code, and the modules that were imported while a command ran in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], input=stdin, capture_output=True, check=True, timeout=60
    )
    code, modules = json.loads(ran.stderr.decode().splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["decide", "--help"], ["up", "--help"], ["cpo", "preview", "--help"], ["version"]],
)
def test_help_imports_nothing_that_works(arguments: list[str]) -> None:
    """A help page is there before a library could be loaded: no codec, no store, no registry, no drawing."""
    code, modules = loaded(*arguments)

    assert 0 == code
    assert set() == modules & {*HEAVY, *ONLY_HELP}


@pytest.mark.parametrize("arguments", [["decide", "--list"], ["decide", "payload.mirror-text"]])
def test_a_decision_imports_no_adapter(arguments: list[str]) -> None:
    """Deciding needs neither network, database nor drawing."""
    code, modules = loaded(*arguments, stdin=b'{"text": ""}')

    assert 0 == code
    assert set() == modules & set(HEAVY)


def test_explain_of_an_object_in_a_large_dump_stays_lazy(user: Path) -> None:
    """One cluster out of 5 MB is explained without loading an HTTP client, a database or drawing."""
    code, modules = loaded("explain", "cpo-image", "clusters/pinned", "-f", str(_dump(user)), "--offline")

    assert (0, set()) == (code, modules & set(HEAVY))


def _dump(directory: Path) -> Path:
    """A list of 5 MB with one cluster among ConfigMaps."""
    filler = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"filler-{number}", "namespace": "clusters"},
            "data": {"text": f"{number} " * 600},
        }
        for number in range(1_000, 3_000)
    ]
    path = directory / "dump.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*filler, PINNED]}))
    assert path.stat().st_size > 5_000_000
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "hc", "-o", "yaml"],
        ["explain", "cpo-image"],
        ["cpo", "resolve"],
        ["crds"],
        ["decide", "--list"],
        ["decide", "--lines"],
        ["completion", "bash"],
        ["version"],
        ["up", "--until-settled"],
        ["up"],
    ],
)
def test_a_reader_that_went_away_is_no_error(
    world: Path, user: Path, arguments: list[str], monkeypatch
) -> None:
    """`pilotage … | head -1`: nothing is said about the pipe, and the code is 0."""
    monkeypatch.setenv("PILOTAGE_DATA_DIR", str(world))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-c", "from pilotage.cli import main; main()", *arguments]
        given = b'{"decision": "x", "input": {}}\n' * 3
        ran = subprocess.run(
            command, input=given, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writer)

    assert 0 == ran.returncode
    assert not {"Broken", "Internal", "Traceback", "Exception"} & set(
        ran.stderr.decode().replace(":", " ").split()
    )


def test_only_the_first_line_is_wanted(world: Path) -> None:
    """In a real shell with pipefail the pipe succeeds."""
    line = f"{sys.executable} -c 'from pilotage.cli import main; main()' get hc -o yaml --data-dir {world}"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{line} | head -1"], capture_output=True, text=True, check=False
    )

    assert (0, "apiVersion: v1\n", "") == (ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize(
    "arguments", [["no-such-verb"], ["get"], ["up", "--no-such-option"], ["get", "hc", "-o", "x"]]
)
def test_wrong_use_is_2_and_says_what_is_expected(cli, arguments: list[str]) -> None:
    """Nothing on stdout; the usage on stderr."""
    ran = cli(*arguments)

    assert (2, "") == ran[:2]
    assert "Usage: pilotage" in ran.err


def test_a_bug_is_called_ours() -> None:
    """What nobody foresaw, as an installation with a module missing, is code 4; a trace comes when it is asked for."""
    broken = "import sys; sys.modules['pilotage.app.rooms'] = None; from pilotage.cli import main; main()"
    said = {}
    for debug in ("", "1"):
        ran = subprocess.run(
            [sys.executable, "-c", broken, "decide", "--list"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PILOTAGE_DEBUG": debug},
        )
        assert (4, "") == (ran.returncode, ran.stdout)
        said[debug] = ran.stderr

    assert said[""].startswith("error: Internal: ")
    assert "PILOTAGE_DEBUG=1" in said[""]
    assert ["Traceback" in text for text in said.values()] == [False, True]


def _commands() -> list[list[str]]:
    def walk(command, path: list[str]) -> list[list[str]]:
        below = getattr(command, "commands", {})
        return [path, *(found for name, each in below.items() for found in walk(each, [*path, name]))]

    import typer

    return walk(typer.main.get_command(program.build()), [])


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_explains_itself(cli, path: list[str]) -> None:
    """Each has a help page that fits and ends well; what does something shows an example."""
    ran = cli(*path, "--help")

    assert (0, "") == (ran.code, ran.err)
    assert f"Usage: {' '.join(['pilotage', *path])}" in ran.out
    assert "Commands:" in ran.out or "Example: " in ran.out or "Examples: " in ran.out


def test_version_is_text_json_or_yaml(cli) -> None:
    """The version of the package, in each form."""
    assert cli("version").out.startswith(f"pilotage {__version__} (Python 3.")
    assert __version__ == cli("version", "-o", "json").json()["version"]
    assert f"version: {__version__}\n" in cli("version", "-o", "yaml").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_accepted_by_their_shell(cli, shell: str) -> None:
    """`bash -n` and its like find no fault."""
    ran = cli("completion", shell)
    assert 0 == ran.code
    assert "_PILOTAGE_COMPLETE" in ran.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    flag = "-n" if shell != "fish" else "--no-execute"
    checked = subprocess.run([shell, flag], input=ran.out, capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)


def test_completion_completes(user: Path) -> None:
    """In a real bash, `pilotage cpo re<TAB>` gives `resolve`."""
    bin_directory = user / "bin"
    bin_directory.mkdir()
    script = bin_directory / "pilotage"
    script.write_text(f"#!{sys.executable}\nfrom pilotage.cli import main\nmain()\n")
    script.chmod(0o755)
    lines = """
        source <(pilotage completion bash)
        COMP_WORDS=(pilotage cpo re); COMP_CWORD=2; COMP_LINE="pilotage cpo re"
        $(complete -p pilotage | sed -E 's/.*-F ([^ ]+).*/\\1/') pilotage re cpo
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{bin_directory}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=False, env=environment)

    assert ("resolve", "") == (ran.stdout.strip(), ran.stderr)


def test_the_help_page_loads_no_verb() -> None:
    """It shows every verb in the order of the table, and none of their modules is imported for it."""
    script = (
        "import sys\nfrom pilotage.cli import program\nprogram.run(['--help'])\n"
        "print(*[name for name in sys.modules if name.startswith('pilotage.cli.')], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  ([a-z]+)  +[A-Z]", ran.stdout, re.MULTILINE)

    assert list(program.VERBS) == listed
    assert {"pilotage.cli.program", "pilotage.cli.output"} == set(ran.stderr.split())
