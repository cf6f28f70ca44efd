"""The embedded platform's servers: PostgreSQL, Valkey, MLflow and the local cluster, each as a child process.

Each file says how one server is found, prepared, started and asked whether it is ready. `merlin.supervisor` runs them.
"""
