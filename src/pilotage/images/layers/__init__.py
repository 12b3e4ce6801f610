"""What is in the layers of an image: single files without pulling the rest, executables, and how small images are built.

Hostile layers are expected: paths, links and sizes that must not be unpacked are refused. Follows the OCI image specification.
"""
