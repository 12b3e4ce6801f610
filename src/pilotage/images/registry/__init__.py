"""Images at registries: one client behind the port `images.source`, from the credential to the byte.

`client` implements the port; `api` makes one request with the right credential and words every error; `auth` and `challenge`
log in; `transport` is the only module that speaks HTTP (aiohttp, loaded when it is needed); `pacing` waits and retries;
`mirrored` reads through mirrors in their order. Follows the OCI distribution specification.
"""
