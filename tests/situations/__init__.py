"""Every way to end a span around an exception; common.SITUATIONS holds each with what is to be told of its spans."""
