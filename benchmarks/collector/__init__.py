"""The same traffic through a span processor in front of the Collector's tail_sampling, and through ours alone."""
