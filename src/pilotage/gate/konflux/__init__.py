"""What a Gate comes to on Konflux: the objects that GitOps applies, the pipeline that Tekton runs, and the pages for people.

Pure: a Gate goes in, manifests and texts come out, the same bytes every time. Nothing of ours is installed on the cluster: its
definition travels as a ConfigMap, by whose label the nightly trigger finds every gate. So a platform is onboarded by one
file, and no shared file is edited for it.

    names        how everything is called, and that it fits
    target       one Gate with what it is rendered with
    definition   the Gate itself, as a ConfigMap
    scenario     IntegrationTestScenario
    releaseplan  ReleasePlan            admission    ReleasePlanAdmission
    schedule     CronJobs               access       accounts, rights, admission policies
    steps        what each step of the pipeline is given and gives
    pipeline     Pipeline and PipelineRun template
    secrets      names and keys         runbook, diagram    for people
    files        the whole tree         comparison          how it differs from what is live

Follows openshift/enhancements `enhancements/hypershift/konflux-release-gating-pipeline.md`; where konflux-ci/integration-service or
konflux-ci/release-service do otherwise than it expects, them.
"""
