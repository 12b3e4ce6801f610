"""The grammar of every answer: facts, rules, decisions, findings, actions, plans, questions, and their rendering.

All five systems speak it, so one renderer serves the command line, the web and the reference docs. Everything here is
pure: no clock, no file, no network. Nothing here knows a particular kind or system.
"""
