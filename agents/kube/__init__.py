"""The only door to kubernetes_asyncio and to the API server of a cluster."""
