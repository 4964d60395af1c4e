"""An in-memory Kubernetes API over HTTPS, for demos and scale runs without a cluster."""
