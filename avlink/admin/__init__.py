"""Commands about the installation: doctor, cache, models, new plugins, the demo project, samples, sound embeddings.

Modules here inspect the installation or prepare something around it, and may call every package below.
Work on an edit belongs in `edit`, everything about training in `training`, and printing in `cli`.
"""
