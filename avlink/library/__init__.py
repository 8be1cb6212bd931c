"""The sound library: folders of sounds in an index that finds them by words, kind and length.

Here belong the description of a sound file, its analysis, the index and its search. Choosing sounds for the hits of a
clip and placing them does not: that is part of an edit.
"""
