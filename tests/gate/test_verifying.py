"""A consumer with a public key asks: may this image run here? Every reason to say no."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.gate.promotion.attestation import Evidence, attest
from pilotage.gate.promotion.dsse import seal
from pilotage.gate.promotion.keys import SigningKey
from pilotage.gate.promotion.statements import (
    PAYLOAD_TYPE,
    Statement,
    Subject,
    standing,
    verification_summary,
)
from pilotage.gate.promotion.statements import (
    test_result as jobs_of,
)
from pilotage.gate.promotion.verifying import judge, verify
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError

from .promotionrig import (
    EVALUATED,
    HERE,
    KEY,
    NOW,
    VERIFIED,
    gate_of,
    push_cosign_signature,
    push_operator,
    run_of,
)

DIGEST = f"sha256:{'a' * 64}"
OTHER_DIGEST = f"sha256:{'c' * 64}"
OTHER = SigningKey.generate()


def summary(digest=DIGEST, platform="aro-hcp", tag="", at=EVALUATED, **predicate):
    statement = verification_summary(
        run_of(digest, platform, evaluated_at=at),
        gate_of(platform).spec,
        VERIFIED,
        tag or f"{platform}-{digest[7:]}",
        verifier="https://gate.example.org",
        test_result_digest=OTHER_DIGEST,
    )
    return Statement(statement.subject, statement.predicate_type, {**statement.predicate, **predicate})


def word(state, at, platform="aro-hcp", digest=DIGEST):
    return standing(digest, VERIFIED, platform, state, at=at, by="ann", reason="loses volumes")


def evidence(*statements, key=KEY, payload_type=PAYLOAD_TYPE):
    return [
        Evidence(f"sha256:{number:064x}", seal(payload_type, each.encoded(), key))
        for number, each in enumerate(statements)
    ]


def asked(found, digest=DIGEST, platform="aro-hcp", now=NOW):
    return judge(found, digest, platform, KEY.public, now)


def test_what_passed_is_accepted():
    """Accepted, with the run, the time and the tag that were signed."""
    answer = asked(evidence(jobs_of(run_of(DIGEST), VERIFIED), summary()))

    assert (True, "accepted", EVALUATED, "aro-hcp-0123456789abcdef", f"aro-hcp-{'a' * 64}") == (
        answer.is_accepted,
        answer.code,
        answer.at,
        answer.run,
        answer.tag,
    )
    assert ["other-predicate", "accepted"] == [each.code for each in answer.looked]


REFUSED = {
    "another key": (evidence(summary(), key=OTHER), "unknown-key"),
    "another digest": (evidence(summary(OTHER_DIGEST)), "wrong-subject"),
    "another platform": (evidence(summary(platform="rosa-hcp")), "other-platform"),
    "a tag of another digest": (evidence(summary(tag=f"aro-hcp-{'c' * 64}")), "wrong-tag"),
    "a tag of another platform": (evidence(summary(tag=f"rosa-hcp-{'a' * 64}")), "wrong-tag"),
    "an alias": (evidence(summary(tag="aro-hcp-latest")), "wrong-tag"),
    "a failed verification": (evidence(summary(verificationResult="FAILED")), "not-passed"),
    "no result": (evidence(summary(verificationResult=None)), "not-passed"),
    "no platform": (evidence(summary(pilotage_platform=7)), "malformed"),
    "no time": (evidence(summary(timeVerified="yesterday")), "bad-timestamp"),
    "a time to come": (evidence(summary(at="2026-06-11T07:05:01Z")), "future-timestamp"),
    "the jobs alone": (evidence(jobs_of(run_of(DIGEST), VERIFIED)), "other-predicate"),
    "another payload type": (evidence(summary(), payload_type="application/json"), "malformed"),
    "no statement": ([Evidence(OTHER_DIGEST, seal(PAYLOAD_TYPE, b"[]", KEY))], "malformed"),
    "no envelope": ([Evidence(OTHER_DIGEST, b"hello")], "malformed"),
    "a reinstatement alone": (evidence(word("reinstated", EVALUATED)), "reinstated"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    """Each attestation that does not count says why, and none of them lets the image in."""
    found, code = REFUSED[case]

    answer = asked(found)

    assert (False, "not-accepted", code) == (answer.is_accepted, answer.code, answer.looked[0].code)
    assert answer.looked[0].reason


def test_nothing_there():
    """An image without any attestation is refused as such."""
    assert (False, "no-attestation") == (asked([]).is_accepted, asked([]).code)


@pytest.mark.parametrize(
    ("digest", "platform", "code"),
    [
        (DIGEST, "ARO", "bad-platform"),
        (DIGEST, "latest", "bad-platform"),
        (f"sha512:{'a' * 128}", "aro-hcp", "bad-digest"),
        ("a" * 64, "aro-hcp", "bad-digest"),
    ],
)
def test_a_question_that_has_no_tag(digest, platform, code):
    """A platform or a digest that can have no canonical tag has no attestation either."""
    assert code == asked(evidence(summary()), digest, platform).code


def test_clocks_may_differ_a_little():
    """A summary from five minutes ahead is still taken."""
    assert asked(evidence(summary(at="2026-06-11T07:05:00Z"))).is_accepted


def test_a_bad_signature_is_told_from_another_key():
    """Signed, says the envelope, by our key; the signature is that of other bytes."""
    good, other = seal(PAYLOAD_TYPE, summary().encoded(), KEY), seal(PAYLOAD_TYPE, b"{}", KEY)
    forged = good[: good.index(b'"signatures"')] + other[other.index(b'"signatures"') :]

    assert "bad-signature" == asked([Evidence(OTHER_DIGEST, forged)]).looked[0].code


def test_one_that_counts_is_enough():
    """Whatever else lies beside the image."""
    noise = [case[0][0] for name, case in REFUSED.items() if name != "a reinstatement alone"]

    assert asked([*noise, *evidence(summary())]).is_accepted


T0, T1, T2 = (f"2026-06-11T06:59:0{second}Z" for second in range(3))
STANDINGS = {
    "revoked": ([word("revoked", T0)], False),
    "revoked, then given back": ([word("revoked", T0), word("reinstated", T1)], True),
    "in any order": ([word("reinstated", T1), word("revoked", T0)], True),
    "revoked again": ([word("revoked", T0), word("reinstated", T1), word("revoked", T2)], False),
    "at the same time": ([word("reinstated", T0), word("revoked", T0)], False),
    "revoked at an unknown time": ([word("revoked", "?"), word("reinstated", T1)], False),
    "given back at an unknown time": ([word("revoked", T0), word("reinstated", "?")], False),
    "revoked in the future": ([word("revoked", "2027-01-01T00:00:00Z"), word("reinstated", T1)], False),
    "given back in the future": ([word("revoked", T0), word("reinstated", "2027-01-01T00:00:00Z")], False),
    "for another platform": ([word("revoked", T0, "rosa-hcp")], True),
    "another digest": ([word("revoked", T0, digest=OTHER_DIGEST)], True),
    "revoked before it passed": ([word("revoked", "2026-06-01T00:00:00Z")], False),
}


@pytest.mark.parametrize("case", STANDINGS)
def test_the_newest_word_holds(case):
    """Revoked is refused with person and reason; given back is accepted; in doubt it is refused."""
    words, is_accepted = STANDINGS[case]

    answer = asked(evidence(summary(), *words))

    assert is_accepted == answer.is_accepted, answer
    if not is_accepted:
        assert "revoked" == answer.code
        assert "by ann" in answer.reason
        assert "loses volumes" in answer.reason


def test_nobody_else_can_revoke():
    """A revocation by another key does not count: who may push cannot stop a platform."""
    found = [*evidence(summary()), *evidence(word("revoked", T0), key=OTHER)]

    assert asked(found).is_accepted


def test_nobody_else_can_give_back():
    """A reinstatement by another key does not count either."""
    found = [*evidence(summary(), word("revoked", T0)), *evidence(word("reinstated", T1), key=OTHER)]

    assert "revoked" == asked(found).code


def test_an_unknown_kind_of_statement_is_only_shown():
    """What is signed and not understood neither accepts nor revokes."""
    strange = Statement((Subject({"sha256": "a" * 64}),), "https://example.org/other", {"state": "revoked"})

    answer = asked(evidence(summary(), strange))

    assert (True, "other-predicate") == (answer.is_accepted, answer.looked[1].code)


WHOLE = evidence(summary())[0].envelope


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_is_accepted(position, change):
    """Tampering with any byte of the only envelope refuses the image."""
    changed = bytearray(WHOLE)
    changed[position] ^= change

    assert not asked([Evidence(OTHER_DIGEST, bytes(changed))]).is_accepted


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.permutations([summary(), word("revoked", T0), word("reinstated", T1), summary(at=T2)]))
def test_the_order_of_the_list_does_not_matter(statements):
    """Registries list referrers in any order; the answer is the same."""
    answer = asked(evidence(*statements))

    assert (True, T2) == (answer.is_accepted, answer.at)


async def test_from_an_image_on_disk(tmp_path):
    """By tag and by digest; cosign signatures beside it are of no interest."""
    layout = OciLayout(tmp_path / "layout", create=True)
    index = await push_operator(layout)
    await push_cosign_signature(layout, HERE, index.digest, KEY)
    image = HERE.at(index.digest)
    said = {"platform": "aro-hcp", "run": "run", "created": EVALUATED}
    await attest(layout, image, summary(index.digest), KEY, **said)

    for reference in (image, HERE.tagged("v1")):
        answer = await verify(layout, reference, "aro-hcp", KEY.public, NOW)
        assert (True, index.digest, str(reference)) == (answer.is_accepted, answer.digest, answer.reference)
    late = await verify(layout, image, "aro-hcp", KEY.public, NOW + timedelta(days=4000))
    assert late.is_accepted


async def test_an_image_of_the_index_has_none_of_its_own(tmp_path):
    """Verified is the index; the image of one architecture carries nothing."""
    layout = OciLayout(tmp_path / "layout", create=True)
    index = await push_operator(layout)
    child = index.index().manifests[0]

    assert "no-attestation" == (await verify(layout, HERE.at(child.digest), "aro-hcp", KEY.public, NOW)).code


async def test_a_registry_that_fails_gives_no_answer(misbehaving, open_client, tmp_path):
    """A list of referrers that cannot be read is an error, never `not attested`, and never `accepted`."""
    client = open_client(misbehaving.host)
    place = misbehaving.reference("verified/operator")
    index = await push_operator(client, place)
    image = place.at(index.digest)
    await attest(client, image, summary(index.digest), KEY, platform="aro-hcp", run="run", created=EVALUATED)
    assert (await verify(client, image, "aro-hcp", KEY.public, NOW)).is_accepted
    misbehaving.fault("GET", "/referrers/", 503, forever=True)

    with pytest.raises(ImageError) as caught:
        await verify(client, image, "aro-hcp", KEY.public, NOW)

    assert 3 == caught.value.exit_code
