"""One run of training: `trainer` has the loop, and each other file one thing that it goes by."""
