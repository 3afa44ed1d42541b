"""From a checkpoint to a file of the native engine (`runtime.native`): ``python -m export.native``.

`export.native.arrays` folds and names the weights, `export.native.ranges` chooses what 8 bits stand
for, and `export.native.convert` puts them together and judges the result.
"""
