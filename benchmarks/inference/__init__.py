"""What `benchmarks.fps` is made of: the rows that it compares, their files, how each is timed."""
