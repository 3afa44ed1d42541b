"""Speed: ``python benchmarks/fps.py`` of inference, ``python -m benchmarks.training`` of training.

In reading order: `timing` and `noise` (how a number is made, and what it is worth), `rows` (what is
compared), `exports` and `engines` (how that is made and opened), `probe` (load time and memory,
each in a process of its own), `networks` and `end_to_end` (the two kinds of measurement), `table`
and `chart` (what people see; both work from the JSON alone). For training: `straightforward`,
`pieces`, `training`.
"""
