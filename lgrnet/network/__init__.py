"""LGRNet and what it is made of, a part a file.

`model` puts the parts together and `jaanet` the baseline; `config` says how large they are,
`variants` which of them the paper compares, `build` opens either.
"""
