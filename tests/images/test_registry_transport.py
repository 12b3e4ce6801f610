"""Being patient with registries: retries, rates, time-outs, proxies, TLS."""

import asyncio
import ssl
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from aiohttp import web

from pilotage.images.errors import ImageError
from pilotage.images.reference import parse
from pilotage.images.registry.client import RegistryClient, RegistrySettings
from pilotage.images.registry.pacing import RetryPolicy, TokenBucket, retry_after
from pilotage.images.registry.proxies import is_loopback, proxy_for

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)

# -- waiting, pure ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Wed, 20 May 2026 12:00:30 GMT", 30.0),
        ("Wed, 20 May 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_read(header, expected):
    """Seconds and HTTP dates are understood; what is neither is ignored."""
    assert expected == retry_after(header, NOW)


@pytest.mark.parametrize(
    ("attempt", "status", "asked", "jitter", "expected"),
    [
        (0, 429, None, 0.5, 2.0),
        (0, 503, None, 0.5, 5.0),
        (0, 0, None, 0.5, 1.0),
        (1, 503, None, 0.5, 10.0),
        (2, 503, None, 0.5, None),
        (0, 429, None, 0.0, 1.5),
        (0, 429, None, 1.0, 2.5),
        (0, 429, 7.0, 0.0, 7.0),
        (0, 429, 7.0, 1.0, 7.7),
        (0, 429, 0.0, 0.5, 0.0),
        (0, 503, 3600.0, 0.5, None),
    ],
)
def test_waits(attempt, status, asked, jitter, expected):
    """The wait depends on the kind of failure, doubles, is never shorter than asked for, and ends."""
    wait = RetryPolicy().wait(attempt, status, asked, jitter)

    assert expected == (pytest.approx(wait) if wait is not None else None)


async def test_bucket_lets_a_burst_through_and_then_the_rate(time):
    """Five at once, then five a second; after a pause the burst is there again."""
    bucket = TokenBucket(5.0, 5, time.pace)

    for _ in range(7):
        await bucket.take()
    assert [pytest.approx(0.2)] * 2 == time.slept

    time.elapsed += 60
    for _ in range(5):
        await bucket.take()
    assert 2 == len(time.slept)


# -- proxies, pure ---------------------------------------------------------------------------------------------------

PROXY = "http://proxy.example.test:3128"


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://quay.io/v2/", "", PROXY),
        ("https://quay.io/v2/", "example.com", PROXY),
        ("https://quay.io/v2/", "quay.io", ""),
        ("https://cdn.quay.io/v2/", "quay.io", ""),
        ("https://cdn.quay.io/v2/", ".quay.io", ""),
        ("https://quay.io/v2/", ".quay.io", PROXY),
        ("https://notquay.io/v2/", "quay.io", PROXY),
        ("https://quay.io:8443/v2/", "quay.io:8443", ""),
        ("https://quay.io/v2/", "quay.io:8443", PROXY),
        ("https://QUAY.io/v2/", " Quay.IO , x", ""),
        ("https://10.3.4.5/v2/", "10.0.0.0/8", ""),
        ("https://11.3.4.5/v2/", "10.0.0.0/8", PROXY),
        ("https://10.3.4.5:5000/v2/", "10.3.4.5:5000", ""),
        ("https://[fd00::1]/v2/", "fd00::/8", ""),
        ("https://[fd00::1]:5000/v2/", "[fd00::1]:5000", ""),
        ("https://quay.io/v2/", "*", ""),
        ("https://127.0.0.1:5000/v2/", "", ""),
        ("https://localhost:5000/v2/", "", ""),
        ("https://[::1]:5000/v2/", "", ""),
        ("http://quay.io/v2/", "", ""),
    ],
)
def test_proxy_of_an_address(url, no_proxy, expected):
    """NO_PROXY is read as Go programs read it; loopback is never proxied."""
    assert expected == proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})


def test_proxy_variables_in_lower_case_and_without_scheme():
    """The lower-case names count too, and a bare host means an HTTP proxy."""
    environment = {"http_proxy": "proxy.example.test:3128", "no_proxy": "quay.io"}

    assert PROXY == proxy_for("http://registry.example.com/v2/", environment)
    assert "" == proxy_for("http://quay.io/v2/", environment)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("localhost.test", False)],
)
def test_loopback(host, expected):
    """Loopback is what never leaves the machine."""
    assert expected is is_loopback(host)


# -- retries ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ready(misbehaving, sample):
    misbehaving.add("team/app", sample, "v1")
    return misbehaving


@pytest.mark.parametrize(
    ("statuses", "waits"),
    [
        ([429], [2.0]),
        ([500], [5.0]),
        ([502, 503], [5.0, 10.0]),
        ([504, 429], [5.0, 4.0]),
    ],
)
async def test_busy_registry_is_asked_again(ready, open_client, sample, time, statuses, waits):
    """Two failures are bridged, with the wait of their kind."""
    ready.fault("HEAD", "/manifests/", *statuses)

    found = await open_client(ready.host).resolve(ready.reference("team/app:v1"))

    assert sample.manifest.digest == found.digest
    assert waits == time.slept


@pytest.mark.parametrize("header", ["30", "Wed, 20 May 2026 12:00:30 GMT"])
async def test_retry_after_is_honoured(ready, open_client, time, header):
    """The registry's own wait, as number or date, replaces ours, and is never cut short."""
    ready.fault("HEAD", "/manifests/", ready.answering(429, {"Retry-After": header}))

    await open_client(ready.host).resolve(ready.reference("team/app:v1"))

    assert [pytest.approx(31.5)] == time.slept


async def test_too_long_a_wait_is_reported_instead(ready, open_client, time):
    """A registry that wants an hour's pause gets an error and not a process that hangs."""
    ready.fault("HEAD", "/manifests/", ready.answering(429, {"Retry-After": "3600"}), forever=True)

    with pytest.raises(ImageError, match="answered 429") as caught:
        await open_client(ready.host).resolve(ready.reference("team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert "log in" in caught.value.hint
    assert not time.slept


async def test_registry_that_stays_broken_is_unreachable(ready, open_client):
    """After three answers of 503 it is an error that names host and status."""
    ready.fault("HEAD", "/manifests/", 503, forever=True)

    with pytest.raises(ImageError, match=f"{ready.host} answered 503") as caught:
        await open_client(ready.host).resolve(ready.reference("team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert 3 == ready.count("HEAD", "/manifests/")


async def test_silent_registry_is_asked_again(ready, open_client, sample, time):
    """No answer within the time for a silent connection is a time-out, which is retried after a second."""
    ready.fault("HEAD", "/manifests/", ready.silent(), ready.silent())

    found = await open_client(ready.host, stall_timeout=0.05).resolve(ready.reference("team/app:v1"))

    assert sample.manifest.digest == found.digest
    assert [1.0, 2.0] == time.slept


async def test_registry_that_stays_silent_is_unreachable(ready, open_client):
    """After three time-outs the error says so."""
    ready.fault("HEAD", "/manifests/", ready.silent(), forever=True)

    with pytest.raises(ImageError, match="did not answer: no answer in time") as caught:
        await open_client(ready.host, stall_timeout=0.05).resolve(ready.reference("team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert 3 == ready.count("HEAD", "/manifests/")


@pytest.mark.parametrize("fault", ["cut_after", "stalled_after"])
async def test_manifest_that_breaks_off_is_read_again(ready, open_client, sample, time, fault):
    """A manifest whose body does not end is asked for again."""
    ready.fault("GET", "/manifests/", getattr(ready, fault)(sample.manifest.raw, 20))
    client = open_client(ready.host, stall_timeout=0.05)

    found = await client.manifest(ready.reference("team/app:v1"), sample.manifest.digest)

    assert sample.manifest == found
    assert [1.0] == time.slept


async def test_manifest_that_always_breaks_off(ready, open_client, sample):
    """After three tries the registry counts as unreachable."""
    ready.fault("GET", "/manifests/", ready.cut_after(sample.manifest.raw, 20), forever=True)

    with pytest.raises(ImageError, match="broke off: the connection was closed before the end") as caught:
        await open_client(ready.host).manifest(ready.reference("team/app:v1"), sample.manifest.digest)

    assert "RegistryUnreachable" == caught.value.code
    assert 3 == ready.count("GET", "/manifests/")


async def test_connection_that_is_dropped_before_the_answer_is_retried(ready, open_client, time):
    """A registry that hangs up is asked again after a second."""

    async def hang_up(request):
        request.transport.close()
        return web.Response()

    # The HTTP library itself repeats a request once on a connection that it had used before.
    ready.fault("HEAD", "/manifests/", hang_up, hang_up, hang_up)

    await open_client(ready.host).resolve(ready.reference("team/app:v1"))

    assert 1.0 == time.slept[0]


async def test_refused_connection_is_not_retried(open_client, time, unused_tcp_port):
    """Where nothing listens there is nothing to wait for: the next mirror is asked sooner."""
    host = f"127.0.0.1:{unused_tcp_port}"

    with pytest.raises(ImageError, match="cannot connect") as caught:
        await open_client(host).resolve(parse(f"{host}/team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert host in caught.value.message
    assert caught.value.message.startswith("failed to resolve")
    assert not time.slept


# -- rate, proxies and TLS over a real connection --------------------------------------------------------------------


async def test_rate_is_kept_for_each_host(misbehaving, sample, open_client, time, monkeypatch):
    """Requests to a host beyond loopback are spread out; loopback is not slowed down."""
    misbehaving.add("team/app", sample, "v1")
    monkeypatch.setenv("HTTP_PROXY", f"http://{misbehaving.host}")
    remote = parse("registry.example.test/team/app:v1")
    client = open_client(remote.host, misbehaving.host, rate=1.0, burst=2)

    for _ in range(5):
        await client.resolve(misbehaving.reference("team/app:v1"))
    assert not time.slept

    for _ in range(3):
        await client.resolve(remote)
    assert [pytest.approx(1.0)] * 2 == time.slept


async def test_proxy_of_the_environment_is_used(misbehaving, sample, open_client, monkeypatch):
    """HTTP_PROXY is asked for hosts that NO_PROXY does not name."""
    misbehaving.add("team/app", sample, "v1")
    monkeypatch.setenv("HTTP_PROXY", f"http://{misbehaving.host}")
    monkeypatch.setenv("NO_PROXY", "internal.example.test")
    remote = parse("registry.example.test/team/app:v1")

    found = await open_client(remote.host).resolve(remote)

    assert sample.manifest.digest == found.digest
    assert remote.host == misbehaving.requests[0].headers["Host"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost: (certificate file, key file)."""
    home = tmp_path_factory.mktemp("tls")
    cert, key = home / "cert.pem", home / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    try:
        subprocess.run(
            [*command, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return cert, key


@pytest.fixture
async def tls_host(certificate, misbehaving):
    """The misbehaving registry behind TLS, as `localhost:port`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*map(str, certificate))
    site = web.TCPSite(misbehaving._runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    return f"localhost:{site._server.sockets[0].getsockname()[1]}"


async def test_unknown_authority_is_refused(tls_host, open_client):
    """A certificate that nobody vouches for ends the attempt; the message says so and names the host."""
    with pytest.raises(ImageError, match="certificate verify failed: self-signed certificate") as caught:
        await open_client().resolve(parse(f"{tls_host}/team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert tls_host in caught.value.message
    assert "CA file" in caught.value.hint


@pytest.mark.parametrize("how", ["ca_file", "ca_data"])
async def test_authority_may_be_given(tls_host, certificate, misbehaving, sample, open_client, how):
    """A bundle as file or as text makes the registry trusted."""
    misbehaving.add("team/app", sample, "v1")
    cert = certificate[0]
    client = open_client(**{how: str(cert) if how == "ca_file" else cert.read_text()})

    found = await client.resolve(parse(f"{tls_host}/team/app:v1"))

    assert sample.manifest.digest == found.digest


async def test_plain_http_only_where_it_is_allowed(misbehaving, open_client):
    """Without the explicit permission a plain HTTP registry is not spoken to, loopback or not."""
    with pytest.raises(ImageError, match="TLS") as caught:
        await open_client().resolve(misbehaving.reference("team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert not misbehaving.requests


async def test_redirect_from_https_to_http_is_refused(tls_host, certificate, misbehaving, open_client):
    """What began encrypted does not go on in the open."""
    location = {"Location": f"http://{misbehaving.host}/v2/team/app/manifests/v1"}
    misbehaving.fault("HEAD", "/manifests/", misbehaving.answering(302, location))
    client = open_client(ca_file=str(certificate[0]))

    with pytest.raises(ImageError, match="redirects from HTTPS to plain HTTP"):
        await client.resolve(parse(f"{tls_host}/team/app:v1"))


async def test_upload_location_that_believes_in_plain_http_stays_encrypted(
    tls_host, certificate, misbehaving, sample, open_client
):
    """A registry behind a TLS proxy often names itself with http://; the upload goes on over HTTPS."""
    descriptor = sample.manifest.image().layers[0]
    location = f"http://{tls_host}/v2/team/app/blobs/uploads/one?_state=a%2Fb%3D%3D&part=0"
    misbehaving.uploads["one"] = bytearray()
    misbehaving.fault("POST", "/uploads/", misbehaving.answering(202, {"Location": location}))
    client = open_client(ca_file=str(certificate[0]))

    async def content():
        yield sample.blobs[descriptor.digest][1]

    await client.put_blob(parse(f"{tls_host}/team/app"), descriptor, content())

    assert descriptor.digest in misbehaving.blobs
    assert all(request.secure for request in misbehaving.requests)


@pytest.mark.parametrize("text", ["missing", "no certificate"])
async def test_unusable_authority_file(tmp_path, text):
    """A CA file that is absent or holds no certificate is named in the error."""
    path = tmp_path / "ca.pem"
    if text != "missing":
        path.write_text(text)
    client = RegistryClient(None, RegistrySettings(ca_file=str(path)))

    with pytest.raises(ImageError, match="failed to load the certificate authorities") as caught:
        await client.resolve(parse("localhost:1/team/app:v1"))

    assert str(path) in caught.value.message


def test_the_http_library_is_imported_late():
    """Making a client costs no import of the HTTP library: start-up time is a feature."""
    code = (
        "import sys; from pilotage.images.registry.client import RegistryClient; from pilotage.images.registry import mirrored;"
        "RegistryClient(); sys.exit('aiohttp' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


async def test_silent_host_costs_one_time_out(misbehaving, open_client, time):
    """A host that does not even greet is given up at once, so that the next mirror is asked soon."""
    misbehaving.fault("GET", "^/v2/$", misbehaving.silent(), forever=True)

    with pytest.raises(ImageError, match="no answer in time") as caught:
        await open_client(misbehaving.host, probe_timeout=0.05).resolve(misbehaving.reference("team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert 1 == len(misbehaving.requests)
    assert not time.slept


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_odd_greeting_is_no_verdict(ready, open_client, time, status):
    """What a host says at its root does not matter when it serves the image."""
    ready.fault("GET", "^/v2/$", status, forever=True)

    assert (await open_client(ready.host).resolve(ready.reference("team/app:v1"))).digest
    assert not time.slept


async def test_greetings_are_shared(ready, open_client):
    """Many first requests to one host greet it once."""
    client = open_client(ready.host)

    await asyncio.gather(*(client.resolve(ready.reference("team/app:v1")) for _ in range(8)))

    assert 1 == ready.count("GET", "^/v2/$")
