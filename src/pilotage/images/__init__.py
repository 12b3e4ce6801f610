"""Everything about images: what a reference means, where its bytes come from, and what a release payload holds.

`reference`, `mirrors`, `credentials`, `versions`, `payload`, `streams` are pure; `registry` and `layout` are the two
sources behind one port (`source.ImageSource`). Bytes are used only after their digest was verified.
Nothing here knows Kubernetes clients or systems; pull secrets arrive as values.
"""
