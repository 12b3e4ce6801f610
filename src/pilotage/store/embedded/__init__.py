"""Our own small Kubernetes API on SQLite, called in process; `store.base.Api` is all that it does.

store        the face                         rows, database, pen   SQL; threads and commits; one change at a time
verbs        what a write does to one object  removal, naming       deletion, garbage collection; what definitions get
intake       what was sent                    listing, watching     selection, pages, versions; who waits for what
admission    schema and rules of a kind       kinds, builtin,       what is known of kinds
builtingate  the same of a built-in kind       definitions
strategies   what single kinds need           events, decoding      two forms of one kind; what cannot be read
reviewing    who wants to be asked            hooks, policies,      webhooks and policies: whom a request is for, what they are
webhooks     asking them, over HTTPS           reviews, denials     told, what they said
apply        server-side apply, pure, over `merging`, `fieldsets`, `schema` and `typed`
patching     JSON and merge patches, pure; `strategic` those that know lists; `scaling` the scale subresource
exporting    plain manifests
"""

from pilotage.store.embedded.exporting import plain_manifest, plain_manifests
from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.embedded.store import Clock, EmbeddedStore, Retention

__all__ = ["Clock", "EmbeddedStore", "Retention", "ServedKind", "plain_manifest", "plain_manifests"]
