"""What the verbs of `pilotage gate` do: read the ledger and answer, or write what a person decided."""
