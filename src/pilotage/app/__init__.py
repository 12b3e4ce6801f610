"""Wiring: the only room that knows all others. It lists the systems, reads settings, and builds stores and image sources."""
