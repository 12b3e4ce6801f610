"""What is said about an image: the statements to the letter, the envelope, the artifact, the keys."""

import base64
import json
import stat
import subprocess

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.api.errors import InputError
from pilotage.api.gate import PolicySettings
from pilotage.gate.promotion.attestation import ARTIFACT_TYPE, attest, read_evidence
from pilotage.gate.promotion.dsse import ENVELOPE_TYPE, pae, read_envelope, seal
from pilotage.gate.promotion.keys import PublicKey, SigningKey, read_signing_key, write_keys
from pilotage.gate.promotion.statements import (
    PAYLOAD_TYPE,
    policy_digest,
    read_standing,
    read_statement,
    standing,
    verification_summary,
)
from pilotage.gate.promotion.statements import (
    test_result as jobs_of,
)
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError

from .promotionrig import EVALUATED, HERE, KEY, VERIFIED, gate_of, order_of, push_operator, run_of

DIGEST = f"sha256:{'a' * 64}"
ARTIFACT = f"sha256:{'b' * 64}"
TAG = f"aro-hcp-{'a' * 64}"
KINDS = ("ecdsa-p256", "ed25519")


def summary_of(digest=DIGEST, **policy):
    gate = gate_of(policy=PolicySettings(**policy)).spec
    return verification_summary(
        run_of(digest),
        gate,
        VERIFIED,
        f"aro-hcp-{digest[7:]}",
        verifier="https://gate.example.org",
        test_result_digest=ARTIFACT,
    )


def test_the_summary_has_the_fields_of_slsa():
    """SLSA's verification summary v1: who verified what, when, by which policy, and the result."""
    written = json.loads(summary_of().encoded())

    predicate = written.pop("predicate")
    assert {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": VERIFIED, "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://slsa.dev/verification_summary/v1",
    } == written
    assert {
        "verifier": {"id": "https://gate.example.org"},
        "timeVerified": EVALUATED,
        "resourceUri": f"{VERIFIED}:{TAG}",
        "policy": {
            "uri": "urn:pilotage:gate:aro-hcp:policy",
            "digest": {"sha256": policy_digest(gate_of().spec)},
        },
        "inputAttestations": [{"uri": f"{VERIFIED}@{ARTIFACT}", "digest": {"sha256": "b" * 64}}],
        "verificationResult": "PASSED",
        "verifiedLevels": ["PILOTAGE_GATE_PASSED"],
        "slsaVersion": "1.0",
        "pilotage_platform": "aro-hcp",
        "pilotage_run": "aro-hcp-0123456789abcdef",
    } == predicate


def test_the_jobs_have_the_fields_of_in_toto():
    """Test-result v0.1: required jobs passed, an informing one is a warning, each attempt with its address."""
    written = json.loads(jobs_of(run_of(DIGEST), VERIFIED).encoded())

    predicate = written["predicate"]
    assert "https://in-toto.io/attestation/test-result/v0.1" == written["predicateType"]
    assert ("WARNED", ["e2e-azure", "e2e-upgrade"], ["e2e-slow"], []) == tuple(
        predicate[name] for name in ("result", "passedTests", "warnedTests", "failedTests")
    )
    tests_image = predicate["configuration"][-1]
    assert {"sha256": "7" * 64} == tests_image["digest"]
    upgrade = predicate["pilotage_jobs"][1]
    assert ["infra_error", "passed"] == [each["result"] for each in upgrade["attempts"]]
    assert {"hosted": "4.20.3", "management": "4.20.3", "roles": ["latest"]} == upgrade["cell"]
    assert "https://prow.example.org/view/1" == predicate["url"]


def test_the_same_run_gives_the_same_bytes():
    """Nothing in a statement comes from a clock or from chance."""
    assert summary_of().encoded() == summary_of().encoded()
    assert jobs_of(run_of(DIGEST), VERIFIED).encoded() == jobs_of(run_of(DIGEST), VERIFIED).encoded()


def test_another_policy_has_another_digest():
    """A consumer can tell by which policy the image was let in."""
    assert summary_of().predicate["policy"] != summary_of(max_age_hours=72.0).predicate["policy"]


@pytest.mark.parametrize("state", ["revoked", "reinstated"])
def test_a_standing_is_read_as_it_was_written(state):
    """Who, why and when survive."""
    written = standing(DIGEST, VERIFIED, "aro-hcp", state, at=EVALUATED, by="ann", reason='"<why> & how"')

    word = read_standing(read_statement(written.encoded()))

    assert (state, EVALUATED, "ann", '"<why> & how"') == (word.state, word.written_at, word.by, word.reason)


def test_pre_authentication_encoding_is_that_of_dsse():
    """The example of the protocol: type and payload, each behind its length in bytes."""
    assert b"DSSEv1 29 http://example.com/HelloWorld 11 hello world" == pae(
        "http://example.com/HelloWorld", b"hello world"
    )
    assert b"DSSEv1 2 \xc3\xbc 0 " == pae("\u00fc", b"")


@pytest.mark.parametrize("kind", KINDS)
def test_an_envelope_is_opened_by_its_key_alone(kind):
    """The right key gives the payload, another one nothing."""
    key = SigningKey.generate(kind)
    sealed = read_envelope(seal(PAYLOAD_TYPE, b"{}", key))

    assert b"{}" == sealed.open(key.public).payload
    assert sealed.open(SigningKey.generate(kind).public) is None


@pytest.mark.parametrize("kind", KINDS)
def test_signing_twice_gives_the_same_envelope(kind):
    """Signatures are deterministic, so that a crash makes no second artifact."""
    key = SigningKey.generate(kind)

    assert seal(PAYLOAD_TYPE, b"{}", key) == seal(PAYLOAD_TYPE, b"{}", key)


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_agrees_with_the_signature(kind, tmp_path):
    """What we signed, another implementation verifies with the public file."""
    key = SigningKey.generate(kind)
    _, public = write_keys(key, tmp_path / "gate")
    envelope = json.loads(seal(PAYLOAD_TYPE, b'{"a":1}', key))
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(pae(envelope["payloadType"], base64.b64decode(envelope["payload"])))
    signature.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    how = (
        ["-inkey", public, "-rawin"]
        if kind == "ed25519"
        else ["-inkey", public, "-rawin", "-digest", "sha256"]
    )

    verified = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", *how, "-in", message, "-sigfile", signature],
        capture_output=True,
        check=False,
    )

    assert 0 == verified.returncode, verified.stderr


def test_the_name_of_a_key_is_the_hash_of_its_public_half(tmp_path):
    """SHA-256 over the SubjectPublicKeyInfo in DER, as the envelope says it."""
    _, public = write_keys(KEY, tmp_path / "gate")
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], capture_output=True, check=True
    ).stdout

    import hashlib

    assert hashlib.sha256(der).hexdigest() == KEY.key_id
    assert KEY.key_id == json.loads(seal(PAYLOAD_TYPE, b"", KEY))["signatures"][0]["keyid"]


def test_a_key_file_is_its_owners_and_is_never_overwritten(tmp_path):
    """The private file is readable by nobody else; a second pair of that name is refused."""
    private, public = write_keys(KEY, tmp_path / "gate")

    assert (0o600, KEY.public) == (stat.S_IMODE(private.stat().st_mode), read_signing_key(private).public)
    before = public.read_bytes()
    with pytest.raises(InputError, match=r"gate\.key.*gate\.pub") as caught:
        write_keys(SigningKey.generate(), tmp_path / "gate")
    assert ("KeyExists", before) == (caught.value.code, public.read_bytes())


def _pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"secret",
        KEY.public.pem,
        _pem(ec.generate_private_key(ec.SECP384R1())),
        _pem(ec.generate_private_key(ec.SECP256R1()), b"secret"),
    ],
    ids=["empty", "no PEM", "a public key", "another curve", "with a password"],
)
def test_a_key_that_cannot_sign_is_told_without_showing_it(pem):
    """The message names the file and what to do, and holds nothing of the key."""
    with pytest.raises(InputError, match=r"^/keys/gate\.key: ") as caught:
        SigningKey.of_pem(pem, "/keys/gate.key")

    assert "KeyInvalid" == caught.value.code
    assert "secret" not in str(caught.value)
    assert not any(line in str(caught.value) for line in pem.decode().splitlines() if line)


def test_a_key_prints_as_its_name_only():
    """Neither a log nor a traceback can show it."""
    assert f"SigningKey({KEY.key_id[:12]})" == repr(KEY) == str(KEY)


def test_rsa_keys_verify():
    """Signatures of others may be RSA: PKCS #1 v1.5 over SHA-256, as cosign makes them."""
    key = rsa.generate_private_key(65537, 2048)
    public = PublicKey.of_pem(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    signature = key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())

    assert (True, False) == (public.verifies(signature, b"message"), public.verifies(signature, b"massage"))


ENVELOPE = seal(PAYLOAD_TYPE, summary_of().encoded(), KEY)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.integers(0, len(ENVELOPE) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(position, change):
    """Payload, type, signature, name of the key, punctuation: whatever is touched, the envelope opens no more."""
    changed = bytearray(ENVELOPE)
    changed[position] ^= change

    sealed = read_envelope(bytes(changed))

    assert sealed is None or sealed.open(KEY.public) is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"null", b'{"payload":"","payloadType":"","signatures":[{}]}', b"[" * 100_000],
    ids=["nothing", "no fields", "a list", "null", "no signature", "deeply nested"],
)
def test_what_is_no_envelope_is_none(raw):
    """Nothing that a registry serves makes the reader fail."""
    assert read_envelope(raw) is None


@pytest.fixture
def layout(tmp_path):
    return OciLayout(tmp_path / "layout", create=True)


async def attached(layout, **more):
    index = await push_operator(layout)
    statement = summary_of(index.digest)
    said = {"platform": "aro-hcp", "run": "run-1", "created": EVALUATED, **more}
    return index, await attest(layout, HERE.at(index.digest), statement, KEY, **said)


async def test_the_artifact_is_what_other_tools_expect(layout):
    """A manifest with subject, artifactType, the empty config and one DSSE envelope, and what it says in annotations."""
    index, digest = await attached(layout)

    document = json.loads((await layout.manifest(HERE, digest)).raw)

    assert ARTIFACT_TYPE == document["artifactType"] == "application/vnd.in-toto+json"
    assert "application/vnd.oci.empty.v1+json" == document["config"]["mediaType"]
    assert (index.digest, index.media_type, len(index.raw)) == tuple(
        document["subject"][name] for name in ("digest", "mediaType", "size")
    )
    (layer,) = document["layers"]
    assert ENVELOPE_TYPE == layer["mediaType"]
    kind = "https://slsa.dev/verification_summary/v1"
    assert {
        "in-toto.io/predicate-type": kind,
        "gate.pilotage.dev/platform": "aro-hcp",
        "gate.pilotage.dev/run": "run-1",
        "org.opencontainers.image.created": EVALUATED,
    } == document["annotations"]
    assert kind == layer["annotations"]["predicateType"]
    (listed,) = await layout.referrers(HERE, index.digest)
    assert (digest, ARTIFACT_TYPE) == (listed.digest, listed.artifact_type)


async def test_attesting_twice_pushes_once(layout):
    """The same statement of the same key is found again."""
    index, first = await attached(layout)

    _, again = await attached(layout)

    assert first == again
    assert 1 == len(await layout.referrers(HERE, index.digest))


async def test_annotations_decide_nothing(layout):
    """Whoever may push may annotate: only what is signed is read."""
    index, _ = await attached(layout, platform="rosa-hcp", run="another")

    evidence = [each async for each in read_evidence(layout, HERE.at(index.digest))]

    statement = read_statement(read_envelope(evidence[0].envelope).open(KEY.public).payload)
    assert "aro-hcp" == statement.predicate["pilotage_platform"]


async def test_a_listed_statement_that_cannot_be_read_is_an_error(layout):
    """It might be the one that takes the image back: no answer is better than a wrong one."""
    index, digest = await attached(layout)
    artifact = msgspec.json.decode((await layout.manifest(HERE, digest)).raw)
    blob = artifact["layers"][0]["digest"].removeprefix("sha256:")
    (layout.directory / "blobs" / "sha256" / blob).write_bytes(b"{}")

    with pytest.raises(ImageError) as caught:
        _ = [each async for each in read_evidence(layout, HERE.at(index.digest))]

    assert "ContentIntegrity" == caught.value.code


def test_the_order_names_the_run_that_passed():
    """The rig and the product agree about tags: the attested tag is the canonical one of the order."""
    assert TAG == order_of(DIGEST).tag
