"""Release payloads: what is in one, what differs between two, how one is made, taken apart and mirrored.

`imagereferences`, `metadata`, `componentversions`, `bootimages` and `streams` read its files and are pure; `payload` puts them together
from any image source. Follows openshift/oc `pkg/cli/admin/release` and openshift/hypershift `support/releaseinfo`.
"""
