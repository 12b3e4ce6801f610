"""The object store: one small client port, and what stands behind it.

`base` is the port (get, list, watch, create, apply, patch_status, delete) and its errors. `embedded` keeps objects in
SQLite, `dump` reads a folder of manifests, a must-gather or a stream. Callers cannot tell them apart.
Nothing here knows registries or systems.
"""
