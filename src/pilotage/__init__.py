"""Pilotage follows a container image from the quay where it is built to the node that runs it.

The rooms, from the ground up: `api` (nouns), `decision` (the grammar of every answer), `images` and `store`
(what is in an image, what is in a cluster), `runtime` (the controller loop), the systems (`controlplane`),
`app` (wiring) and `cli` (the face). `docs/explanation/architecture.md` draws the arrows between them.
"""

__version__ = "0.1.0"
