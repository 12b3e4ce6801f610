"""Our own small Kubernetes API on SQLite, called in process.

`store` is the face, an adapter of the client port. Beneath it: `intake` (what was sent), `verbs` (what a verb does to one
object), `apply` over `merging`, `fieldsets` and `schema` (server-side apply, pure), `metadata` and `kinds` (rules), `rows`
(SQL), `watching`, and `database` (threads and commits).
"""

from pilotage.store.embedded.store import Clock, EmbeddedStore, Retention

__all__ = ["Clock", "EmbeddedStore", "Retention"]
