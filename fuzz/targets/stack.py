"""An exception event of any text: it is classified, with a fingerprint that is the same again; nothing is made up."""

from __future__ import annotations

import re

from fuzz.source import Source
from otel_errsample import stacktext
from otel_errsample._hot import Classifier

MOST = 4096
WORDS = tuple(
    word.encode()
    for word in (
        "Traceback (most recent call last):\n", '  File "/srv/app/pay.py", line 1, in pay\n', "    pay()\n", "ValueError: no\n",
        "ValueError\n", "\nThe above exception was the direct cause of the following exception:\n\n",
        "\nDuring handling of the above exception, another exception occurred:\n\n", "  [Previous line repeated 990 more times]\n",
        "  + Exception Group Traceback (most recent call last):\n", "  | ExceptionGroup: several (2 sub-exceptions)\n",
        "  +-+---------------- 1 ----------------\n", "    +---------------- 2 ----------------\n", "    +------------------------------------\n",
        "    | Traceback (most recent call last):\n", '    |   File "a.py", line 2, in b\n', "    | KeyError: 1\n",
        "    +---------------- ... ----------------\n", "site-packages/django/core/handlers.py", "lib/python3.11/asyncio/runners.py",
        "<frozen importlib._bootstrap>", "<string>", "RecursionError", "__main__.", "builtins.",
    )
)  # fmt: skip

_FINGERPRINT = re.compile("1-[0-9a-f]{16}").fullmatch
_TYPES = ("ValueError", "ExceptionGroup", "RecursionError", "shop.pay.Declined", "", "no type", "A" * 300)


def check(data: bytes) -> None:
    source = Source(data)
    kind = source.below(4)
    name = source.pick(_TYPES) if kind else source.text()
    message = source.text()
    times = 1 << source.below(8)
    stack = source.rest().decode("utf-8", "surrogateescape") * (times if kind == 3 else 1)
    if kind == 2:
        stack += f"{name}: {message}\n" if message else f"{name}\n"
    event = {"exception.type": name, "exception.message": message, "exception.stacktrace": stack}
    facts = Classifier().facts(event=event, name="span")
    again = Classifier().facts(event=dict(event), name="span")
    assert facts.fingerprint is not None
    assert _FINGERPRINT(facts.fingerprint)
    assert (facts.fingerprint, facts.culprit, facts.chain) == (again.fingerprint, again.culprit, again.chain)
    above = stacktext.above_message(stack, name, message)
    if above is None:
        return
    assert stack.startswith(above)
    assert facts.culprit is None or above, "a culprit is a frame of the text"
    blocks = stacktext.parse_stack(above, name, stack[len(above) :] if stacktext.is_group(stack, above) else "")
    assert 1 <= len(blocks) <= 8
    assert name == blocks[0].type
    for block in blocks:
        assert len(block.leaves) <= 64
        assert all(file in stack and function in stack for file, function, _ in block.frames)
