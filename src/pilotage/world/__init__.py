"""The simulated outside for `pilotage up`, tutorials and journeys: sample release payloads and a sample fleet.

Never used on a real cluster; the systems do not know that it exists.
"""
