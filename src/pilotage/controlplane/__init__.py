"""Which control plane operator image does this hosted cluster get, and why?

`image` holds the precedence and is read from top to bottom; `overrides` the table of pinned versions, `labels` what the
chosen image is capable of, `preview` what an operator upgrade changes across a fleet. `facts` observes, `plan` and
`conditions` turn the decision into actions, `controller` runs them.

Implements the choice that openshift/hypershift makes for `HostedCluster`, with the deviations that
`docs/explanation/cpo-image.md` lists and explains.
"""
