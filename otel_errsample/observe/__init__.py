"""What is told about the spans and the span processor beside the spans themselves; the path imports nothing of it."""
