"""What objects of the built-in kinds must satisfy beyond their types, in the words and the order of kube-apiserver.

checks      which check belongs to which kind, for a new object and for a change
config      ConfigMap, Secret                 pods       Pod, and the pod templates of all others
workloads   Deployment and its siblings       jobs       Job, CronJob
services    Service                           cluster    Namespace, Node, Lease, Event, APIService
roles       RBAC                              webhooks   webhook configurations, admission policies
values      checks of single values that many share

Checked is what matters to who writes such objects by hand or by program, not every field; `docs/explanation/limits.md` says
what is not. Follows `validation.go` of each group in `k8s.io/kubernetes/pkg/apis`.
"""
