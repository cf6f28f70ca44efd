"""The Kubernetes API of the embedded cluster, for a closed list of kinds; anything else is a 404, never a guess.

It knows nothing of what its objects mean to others: controllers, kubelet and gateway are ordinary clients of it. The
way of a write: `server` (HTTP) > `doors` (who) > `call` (what) > `writing` > `decode` (schema), `ownership` (apply),
`defaults`, `validate` and `rules`, `quota` > `store` (SQLite, then memory) > its listeners: `watch` (streams) and
`garbage` (what follows from deletions). Stored objects are never changed in place: everybody may hold on to one.
"""
