"""Which Snapshot is verified, when, and with which jobs: from the slot of the schedule to the run that is written down."""
