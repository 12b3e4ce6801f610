"""One run: its ledger, what Prow is asked, what the answers mean, and the verdict."""
