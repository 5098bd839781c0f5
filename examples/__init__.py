"""Applications that fail on purpose under real servers, and the trace that arrives."""
