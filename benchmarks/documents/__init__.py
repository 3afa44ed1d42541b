"""Tables of the documents that `benchmarks.card` fills in, by what they are about."""
