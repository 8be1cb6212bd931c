"""The backend `library`: foley that is assembled from recordings of the user's sound libraries, one for each hit.

`choose`, `alternatives`, `vary`, `shape`, `cycle` and `lay` are pure; `shelf` reads the index, `files` the recordings.
"""
