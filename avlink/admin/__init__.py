"""Commands about AVLink itself: doctor, cache, models, new plugins, the demo project and samples of the foundry.

Modules here look at the installation or prepare something around it, and may call every package below.
Work on an edit belongs in `edit`, everything about training in `training`.
"""
