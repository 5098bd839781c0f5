"""A member of `otel_errsample.living` that notes what it hears."""

from __future__ import annotations


class Member:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.delivers = True
        self.fails_with: Exception | None = None

    def before_fork(self) -> None:
        self.heard.append("before")

    def after_fork_in_parent(self) -> None:
        self.heard.append("parent")

    def after_fork_in_child(self) -> None:
        self.heard.append("child")

    def flush_before_end(self) -> bool:
        self.heard.append("flush")
        if self.fails_with is not None:
            raise self.fails_with
        return self.delivers

    def shutdown(self) -> bool:
        self.heard.append("shutdown")
        if self.fails_with is not None:
            raise self.fails_with
        return self.delivers
