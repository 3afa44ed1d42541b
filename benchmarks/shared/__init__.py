"""What several measurements need: machine, records, options, timing in turns, noise."""
