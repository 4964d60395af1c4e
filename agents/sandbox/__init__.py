"""An in-memory Kubernetes API over HTTPS, for demos and scale runs without a cluster.

Thousands of small clusters in one process, each below its own path and token, that clients take for kube-apiserver
1.35: discovery, server-side apply with managedFields and conflicts, patches, paged lists, watches, custom resources,
workloads, deletion with finalizers and garbage collection. One conformance suite holds it to the real server.

It misbehaves on demand: `kubectl create --raw /sandbox/faults -f fault.json` adds a fault to a cluster (`faults.Fault`
says what there is), `get --raw` lists them, `delete --raw` ends them, `--fault` begins with them; `kubectl delete --raw
/sandbox/history` makes a cluster forget its changes so far. Known differences:

- Nothing is stored, and whoever has a cluster's token may do everything in it: no RBAC, admission or webhooks.
- Bodies are JSON or YAML: the imperative `kubectl create`, which sends protobuf, gets 415.
- Each kind is served in its preferred version only; custom resources convert between versions by name alone.
- Validation is that of types, enumerations, names, immutable fields and a few rules of workloads and Services. Of a
  custom resource's schema, types, enumerations, required fields, defaults and pruning count; patterns, bounds and CEL
  do not. What Go says about a value of the wrong type is paraphrased.
- A false, zero or empty string is kept where the real server would leave it out.
- A version that is not there yet is refused at once: the real server waits three seconds for it.
- Pods get no service account, volumes or tolerations, and workloads at most ten Pods; a DaemonSet counts one node,
  which is no object. There are no ControllerRevisions and no CronJobs that run.
- A Deployment's rollout is one step: nothing is up to date until all is ready. Old ReplicaSets go at once.
"""
