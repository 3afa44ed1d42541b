"""What `benchmarks.training` compares: pieces of the network in grouped form, and in loops."""
