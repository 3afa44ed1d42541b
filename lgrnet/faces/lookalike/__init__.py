"""Corpora that look like BP4D and DISFA on disc, with rendered faces: to try the commands on.

``python -m lgrnet.faces.lookalike bp4d --out data/bp4d_lookalike``. Nothing in them is of the
corpora themselves but the names of files and subjects.
"""
