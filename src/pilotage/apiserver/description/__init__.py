"""The OpenAPI documents of the API, in parts: the types of objects, the operations on them, and two ways to write them down.

A kind gives the same types and operations to both documents: `types` and `operations` say what there is, as OpenAPI v3 has
it; `version3` and `version2` write documents of it, and `gnostic` the latter once more as protobuf, which is all
that kubectl before 1.27 reads.
"""
