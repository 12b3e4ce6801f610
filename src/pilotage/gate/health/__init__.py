"""How the gate itself does: staleness, false alarms, flakes, regressions, and where a failure began."""
