"""The face finder that we train: a small network that finds faces and five points of each.

It learns on scenes put together while it trains: heads that the renderer drew, with where they are
opaque, laid over pictures. Read in this order: `geometry` (a face's box and five points), `network`
(the network and what its numbers mean), `head_shards` (heads and backgrounds on disc), `heads` (the
command that renders them), `backdrops`, `bodies`, `flaws` and `scenes` (a picture to learn from),
`targets` (which cell should say what, and the losses), `batches`, `weights` (the file) and `train`
(the command).

Pictures are BGR uint8, points are (x, y) pixels with whole numbers at pixels' centres.
"""
