"""What `kubectl get` shows of the built-in kinds: their columns, and the cells of one object.

A real API server computes the cells itself (`k8s.io/kubernetes/pkg/printers/internalversion`), so a client shows what its
server knows. Cells are read from JSON that nobody has checked: what has another type than expected counts as absent.
"""
