"""A stand-in for MMAudio, written for these tests: its public calls with their shapes and types, and no weights.

It refuses whatever MMAudio would refuse or misunderstand, and answers with sound in which a test can hear the picture
(louder where it is brighter), the words and the noise.
"""
