"""A real Kubernetes control plane for tests: built, started, filled with Merlin's kinds, and stopped again."""
