"""A small web shop that fails in real ways, traced, sampled and accounted for to the span."""
