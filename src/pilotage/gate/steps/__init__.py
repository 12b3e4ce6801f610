"""The gate's work on Konflux, one step for each task of the pipeline and each CronJob. The ledger is all that they share.

    trigger           select a Snapshot for each platform, and start its scenario
    extract-image     which image is tested, and for which run
    run-e2e           every job of the run, to the verdict
    evaluate-results  the verdict, as Konflux reads it
    create-release    a Release, and what became of it
    notify            one message about the end
    stale-check       what did not happen

A step is given what `konflux.steps` says, reads everything else from the ledger, and ends with a code:

    0 done   1 the answer is no   2 wrong use   3 nothing there   4 something outside failed   5 somebody else was faster

What it says to Tekton stands in small files, which are written before it ends, however it ends.
"""
