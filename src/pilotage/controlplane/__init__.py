"""Which control plane operator image does this hosted cluster get, and why?

Start with `image`: the precedence, on one screen. `verdicts` is what each line of it says, `hold` what the owner of a cluster
may ask for, `eligibility` whether a cluster may take the operator's own image. `facts` is the record that all of it is
judged by.

    overrides, tablecare   the table of pinned versions, and looking after it
    labels, consumers      what the chosen image is capable of, and who runs it
    questions              the decisions that can be asked by name
    preview, fleet         what a change does to one cluster, and to all of them
    skew, imagelint        what is proven with an operator image, and whether an image can serve
    drift                  whether what runs is what was chosen

`hosted` and `nodeproxy` read a HostedCluster, `lookups` asks registries, `observe` puts both together into `observed`.
`conditions` and `plan` turn the decision into actions, `controller` runs them, `explain` and `board` show it, and `room` tells
`app` about all of this.

Implements the choice that openshift/hypershift makes for `HostedCluster`, with the deviations that
`docs/explanation/cpo-image.md` lists and explains.
"""
