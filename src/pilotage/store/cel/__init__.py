"""CEL, as Kubernetes uses it: the rules of custom resource definitions, and expressions over declared variables.

    compile_rules(schema).check(value, old_value)     which rules does this object break?
    check_definition(schema, path)                    may this definition be stored?
    Environment({...}).compile(text).evaluate({...})  any other expression

From text to answer: `lexing`, `parsing` and `macros` make a syntax tree (`nodes`); `checking` finds the type of every part
with the overloads of `library`; `validating` looks at constants; `planning` and `loops` make closures of it; `environment`
holds the programs. `schemas` says what a structural schema means for types and values, `rules` walks an object with its
schema, `correlation` finds what was there before. `regex` is a linear-time regular expression engine of its own.

Follows the CEL language definition, and where that leaves room cel-go and the 1.36 API server, to the wording of
messages. Nothing outside is needed: this package is pure Python over the standard library, and does no I/O.
"""

from __future__ import annotations

from pilotage.store.cel.definitions import check_definition
from pilotage.store.cel.environment import COST_PER_CALL, Environment, Program
from pilotage.store.cel.faults import Fault
from pilotage.store.cel.planning import PlanError
from pilotage.store.cel.problems import CompileError, CostLimitError, EvaluationError
from pilotage.store.cel.rules import COST_PER_OBJECT, Rules, compile_rules, has_rules

__all__ = [
    "COST_PER_CALL",
    "COST_PER_OBJECT",
    "CompileError",
    "CostLimitError",
    "Environment",
    "EvaluationError",
    "Fault",
    "PlanError",
    "Program",
    "Rules",
    "check_definition",
    "compile_rules",
    "has_rules",
]
