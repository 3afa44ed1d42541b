"""Faces on disc and in batches: `shards` is the format, `batches` reads it, `augment` disturbs."""
