"""The HTTP face of the embedded API: what `kubectl` and client libraries talk to.

Knows only `store` and `api`: which objects there are and what may be done with them is the store's matter; this room turns
requests into calls of `store.base.Api` and answers into what a Kubernetes client expects.
"""
