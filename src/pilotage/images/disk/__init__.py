"""Images on disk: the OCI image layout as a source and a target, archives to read, and the cache by digest.

`durable` holds the one way in which bytes are written: a draft, an fsync, a rename. Follows the OCI image layout specification.
"""
