"""The built-in backend: AV-Link bundles as `fusion-v2a` and `fusion-a2v`."""
