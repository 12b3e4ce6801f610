"""Our own small Kubernetes API on SQLite, called in process."""
