"""BP4D and DISFA, from how they lie on disc to shards: one module a corpus, and what they share.

Neither corpus is part of this project, nor was either at hand when this was written: formats are as
published readers tell them, and everything is tested on look-alikes.
"""
