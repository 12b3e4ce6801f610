"""Regular expressions as Kubernetes means them: RE2 syntax, leftmost-first, in time linear in the text.

Python's own `re` has another syntax (lookaround, backreferences, other escapes) and backtracks: `(a+)+$` from a hostile
definition would hang it. `compile_pattern` reads the syntax of Go's `regexp` package, with its error messages; the
result is run by an automaton whose states are made as the text needs them.
"""

from __future__ import annotations

from pilotage.store.cel.regex.machine import Pattern, TooMuchWorkError, compile_pattern
from pilotage.store.cel.regex.syntax import PatternError

__all__ = ["Pattern", "PatternError", "TooMuchWorkError", "compile_pattern"]
