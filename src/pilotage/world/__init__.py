"""The simulated outside for `pilotage up`, tutorials, rehearsals and journeys: sample release payloads and a sample fleet, a Prow,
a chat, and builds with their Snapshots.

Never used on a real cluster; the systems do not know that it exists.
"""
