"""Everything about images: what a reference means, where its bytes come from, and what a release payload holds.

Pure: `reference`, `credentials`, `mirrors`, `overrides`, `resolver` (which name is tried where), and `questions`, what
`pilotage decide` answers about payloads. Behind the one port `source.ImageSource`: `registry` (images at registries) and
`disk` (layouts, archives, the cache). Above it: `inspect`, `copy`, `layers` (single files out of an image), `payload`
(release payloads). Bytes are used only after their digest was verified.

Nothing here knows Kubernetes clients or systems; pull secrets arrive as values.
"""
