"""What the API derives from a CustomResourceDefinition: schemas, validation, pruning, defaulting, merging. Pure, no I/O.

`definition.py` reads a definition, `definitions.py` judges it, `resource.py` takes one object of it through the gate. Behaviour
and words follow kube-apiserver 1.36; the tests hold its recorded answers.
"""
