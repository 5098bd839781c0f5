"""What gevent and eventlet do to a program, when it says so."""

from __future__ import annotations


def patch(library: str) -> None:
    """Have threads be greenlets, and sockets and sleep let others run."""
    if library == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()
