"""Inline protobuf writers."""
