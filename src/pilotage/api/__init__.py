"""The nouns: typed records of every Kubernetes kind that Pilotage reads or writes, and how they are read and written.

An object is its JSON text; a type is only a *view* over that text (`meta.Object.view`). Views are frozen, decoded
when somebody asks, and never encoded back, so a field that we do not know is never lost.
Nothing here knows stores, clusters or decisions.
"""
