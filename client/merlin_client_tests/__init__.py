"""What the client's tests share: a server that fails on demand, and scenarios that run in both Python environments."""
