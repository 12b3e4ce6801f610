"""The gate: may this operator image be promoted, and for which platforms?

Follows openshift/enhancements `enhancements/hypershift/konflux-release-gating-pipeline.md`, and where that leaves a hole what
konflux-ci/integration-service, konflux-ci/release-service and kubernetes-sigs/prow `pkg/gangway` do.
"""
