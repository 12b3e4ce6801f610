"""`pilotage decide`: JSON in, JSON out, for people and for pipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pilotage.api import yaml

MIRROR = {"decision": "payload.mirror-text", "input": {"text": "quay.io=mirror.example.org/q"}}
MIRRORED = {"value": {"mirrors": {"quay.io": ["mirror.example.org/q"]}}}


def test_one_question_is_answered_as_compact_json_with_one_newline(cli) -> None:
    """The answer to stdin is one line of compact JSON, and the code is 0."""
    ran = cli("decide", "payload.mirror-text", stdin=json.dumps(MIRROR["input"]))

    assert ran == (0, '{"value":{"mirrors":{"quay.io":["mirror.example.org/q"]}}}\n', "")


@pytest.mark.parametrize("dash", [(), ("-",)])
def test_stdin_is_read_without_a_file_and_for_a_dash(cli, dash) -> None:
    """No FILE and `-` both mean stdin."""
    assert MIRRORED == cli("decide", "payload.mirror-text", *dash, stdin=json.dumps(MIRROR["input"])).json()


def test_a_file_is_read(cli, user: Path) -> None:
    """The second argument names the file of the input."""
    (user / "in.json").write_text(json.dumps(MIRROR["input"]))

    assert MIRRORED == cli("decide", "payload.mirror-text", "in.json").json()


@pytest.mark.parametrize("path", ["missing.json", "."])
def test_a_file_that_cannot_be_read_is_named(cli, path: str) -> None:
    """A missing file and a folder are wrong use, with nothing on stdout."""
    ran = cli("decide", "payload.mirror-text", path)

    assert (2, "") == (ran.code, ran.out)
    assert f"UnreadableFile: {path}: " in ran.err


@pytest.mark.parametrize(
    ("given", "code", "exit_code"),
    [
        ("{", "InvalidJSON", 2),
        ("", "InvalidJSON", 2),
        ("[]", "InvalidInput", 2),
        ("null", "InvalidInput", 2),
        (b'{"text": "\xff"}', "InvalidJSON", 2),
        ("[" * 100_000, "InvalidJSON", 2),
        ("{}", "InvalidInput", 0),
        ('{"text": 5}', "InvalidInput", 0),
    ],
)
def test_the_exit_code_tells_malformed_requests_from_refused_ones(cli, given, code, exit_code) -> None:
    """What is no JSON object ends with 2; an object that is refused was answered, which is 0."""
    ran = cli("decide", "payload.mirror-text", stdin=given)

    assert (code, exit_code, "") == (ran.json()["error"]["code"], ran.code, ran.err)


def test_all_faults_of_an_input_are_listed(cli) -> None:
    """`messages` holds every key that is missing or of another type."""
    ran = cli("decide", "payload.registry-override", stdin='{"overrides": {"a": 1, "b": null}}')

    assert [
        "image: required key is missing",
        "overrides.a: expected string, found integer",
        "overrides.b: expected string, found null",
    ] == ran.json()["error"]["messages"]


@pytest.mark.parametrize("output", ["json", "yaml", "text"])
def test_an_unknown_decision_is_an_error_in_the_form_that_was_asked_for(cli, output: str) -> None:
    """It is named, no list of one message repeats it, and the code is 2."""
    ran = cli("decide", "payload.nothing", "-o", output, stdin="{}")

    assert (2, "") == (ran.code, ran.err)
    if output == "text":
        assert 'there is no decision called "payload.nothing"' in ran.out
    else:
        answer = {
            "code": "UnknownDecision",
            "message": 'there is no decision called "payload.nothing"',
            "messages": [],
        }
        assert {"error": answer} == yaml.load(ran.out)  # JSON is YAML


def test_yaml_and_text_say_the_same(cli) -> None:
    """-o yaml is the answer as YAML, -o text indents names and values."""
    asked = json.dumps(MIRROR["input"])

    assert MIRRORED == yaml.load(cli("decide", "payload.mirror-text", "-o", "yaml", stdin=asked).out)
    assert "value:\n  mirrors:\n    quay.io:\n      - 0: mirror.example.org/q\n" == (
        cli("decide", "payload.mirror-text", "-o", "text", stdin=asked).out
    )


def test_every_listed_decision_has_a_schema_and_takes_objects(cli) -> None:
    """--list names a decision and a sentence two spaces apart; --schema NAME gives input and value."""
    lines = cli("decide", "--list").out.splitlines()
    names = [line.split()[0] for line in lines]

    assert {"cpo.resolve", "cpo.labels", "cpo.preview", "payload.diff"} < set(names)
    for line, name in zip(lines, names, strict=True):
        assert line.removeprefix(name).startswith("  ")
        schema = cli("decide", "--schema", name)
        assert (0, {"input", "value"}) == (schema.code, set(schema.json()))


def test_the_schema_of_an_unknown_decision_is_wrong_use(cli) -> None:
    """It says which name, on stderr."""
    ran = cli("decide", "--schema", "cpo.nothing")

    assert (2, "") == (ran.code, ran.out)
    assert 'UnknownDecision: there is no decision called "cpo.nothing"' in ran.err


@pytest.mark.parametrize("arguments", [(), ("--lines", "a", "b")])
def test_wrong_use_of_the_arguments_is_refused(cli, arguments) -> None:
    """Nothing to decide, or two files for --lines."""
    ran = cli("decide", *arguments)

    assert (2, "") == (ran.code, ran.out)


def test_lines_are_answered_in_order_with_their_ids(cli) -> None:
    """Ids of any JSON type come back as they were written; blank lines are skipped; a bad line ends nothing."""
    lines = [
        json.dumps({**MIRROR, "id": 1}),
        "",
        "   ",
        '{"decision": "no.such", "input": {}, "id": {"a":[1.50,null,"\\u00e9"]}}',
        "not json",
        "7",
        '{"decision": ["x"], "input": {}, "id": null}',
        '{"input": {}, "id": "none"}',
        json.dumps({**MIRROR, "id": False}),
    ]
    ran = cli("decide", "--lines", stdin="\n".join(lines))
    answers = [json.loads(line) for line in ran.out.splitlines()]

    assert [
        {**MIRRORED, "id": 1},
        "UnknownDecision",
        "InvalidJSON",
        "InvalidInput",
        "UnknownDecision",
        "UnknownDecision",
        {**MIRRORED, "id": False},
    ] == [answer["error"]["code"] if "error" in answer else answer for answer in answers]
    assert '"id":{"a":[1.50,null,"\\u00e9"]}}' in ran.out
    assert [True, False, False, True, True] == ["id" in answer for answer in answers[1:6]]
    assert (2, "") == (ran.code, ran.err)


@pytest.mark.parametrize(
    ("line", "code", "exit_code"),
    [
        ('{"decision": "payload.mirror-text"}', "InvalidInput", 0),
        ('{"decision": "payload.mirror-text", "input": 5}', "InvalidInput", 0),
        ('{"decision": "payload.mirror-text", "input": {}}', "InvalidInput", 0),
        (
            '{"decision": "payload.stream-for", "input": {"default": null, "streams": null, "name": ""}}',
            "StreamNotFound",
            0,
        ),
        ('{"decision": "payload.mirror-text", "input": {"text": ""}} more', "InvalidJSON", 2),
        (b'{"decision": "payload.mirror-text", "input": {"text": "\xff"}}', "InvalidJSON", 2),
        (b'{"decision": "payload.mirror-text", "input": {"text": ""}, "id": "\xff"}', "InvalidJSON", 2),
    ],
)
def test_the_exit_code_of_a_batch_is_that_of_its_worst_line(cli, line, code, exit_code) -> None:
    """Refusals are answers; a line that is no request makes the code 2. What is printed is always UTF-8."""
    given = line.encode() if isinstance(line, str) else line
    ran = cli("decide", "--lines", stdin=b"\n".join([json.dumps(MIRROR).encode(), given]))

    assert [MIRRORED, code] == [
        answer["error"]["code"] if "error" in answer else answer
        for answer in map(json.loads, ran.out.splitlines())
    ]
    assert exit_code == ran.code


def test_equal_input_gives_equal_bytes(cli) -> None:
    """The same batch twice is the same text."""
    batch = "\n".join([json.dumps(MIRROR), '{"decision": "x"}', "?"])

    assert cli("decide", "--lines", stdin=batch) == cli("decide", "--lines", stdin=batch)


def test_an_answer_is_there_before_the_next_question_is_sent(start) -> None:
    """Each line is flushed when it is made, so that two programs can talk through pipes."""
    running = start("decide", "--lines")
    for number in range(20):
        running.send(json.dumps({**MIRROR, "id": number}).encode() + b"\n")
        assert {**MIRRORED, "id": number} == json.loads(running.line())
    ran = running.end()

    assert (0, "", 20) == (ran.code, ran.err, len(ran.out.splitlines()))


def test_a_line_may_be_several_megabytes_long(start) -> None:
    """A fleet of 6 MB in one line through a real pipe is decided like a small one."""
    cluster = {"spec": {"platform": {"type": "AWS"}, "release": {"image": "quay.example.com/r:1"}}}
    padding = "x" * 3_000
    asked = {
        "hostedClusters": [
            {"metadata": {"namespace": "n", "name": f"c{number}", "labels": {"pad": padding}}, **cluster}
            for number in range(2_000)
        ],
        "payload": {"version": "4.19.7", "components": {"hypershift": "quay.example.com/cpo:1"}},
        "overrides": {},
        "overridesEnabled": False,
        "hoImage": "",
        "hoHasCpoBinary": None,
    }
    line = json.dumps({"decision": "cpo.resolve", "input": asked, "id": "big"}).encode() + b"\n"
    assert len(line) > 6_000_000
    running = start("decide", "--lines")
    running.send(line)
    answer = json.loads(running.line())

    assert "big" == answer["id"]
    assert {"payload": 2_000} == _rules(answer["value"]["clusters"])
    assert 0 == running.end().code


def _rules(clusters: dict) -> dict[str, int]:
    rules = [cluster["rule"] for cluster in clusters.values()]
    return {rule: rules.count(rule) for rule in set(rules)}
