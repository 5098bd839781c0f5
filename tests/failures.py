"""Failures of an application, and what each interpreter must make of them.

`python -m tests.failures` prints what this interpreter makes of them, in the form of data/fingerprints.json; the file is
recorded by one interpreter, and every other must agree with it.
"""

from __future__ import annotations

import builtins
import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otel_errsample import _hot

DATA = Path(__file__).parent / "data" / "fingerprints.json"
HAS_GROUPS = hasattr(builtins, "ExceptionGroup")  # came with 3.11

SHOP = """
import asyncio
import concurrent.futures
import contextlib
import json
import re

class PaymentError(Exception):
    class Declined(ValueError):
        pass

def helper(fail):
    fail()

def plain():
    raise ValueError("no")

def empty():
    raise ValueError

def multiline():
    raise ValueError("first" + chr(10) + '  File "/evil/forged.py", line 1, in forged' + chr(10) + "    last")

def nested_class():
    raise PaymentError.Declined("no")

def through_helper():
    helper(plain)

def in_comprehension():
    return [1 // item for item in [0]]

def in_dict_comprehension():
    return {item: 1 // item for item in [0]}

def in_generator():
    return list(1 // item for item in [0])

def in_lambda():
    return (lambda: 1 // 0)()

def in_library():
    json.loads("{")

def caused():
    try:
        plain()
    except ValueError as error:
        raise PaymentError("paying") from error

def in_context():
    try:
        plain()
    except ValueError:
        raise PaymentError("paying")

def suppressed():
    try:
        plain()
    except ValueError:
        raise PaymentError("paying") from None

def caused_by_unraised():
    raise PaymentError("paying") from KeyError("never raised")

def three_deep():
    try:
        in_context()
    except PaymentError as error:
        raise RuntimeError("outer") from error

def same_type_twice():
    try:
        raise ValueError("inner")
    except ValueError as error:
        raise ValueError from error

def recursive():
    recursive()

def ping():
    pong()

def pong():
    ping()

def generated():
    exec("1 // 0")

def by_name():
    return undefined_name

def by_syntax():
    compile("def (", "<string>", "exec")

def decorated(fail):
    def wrapper():
        return fail()
    return wrapper

in_wrapper = decorated(plain)

class Cart:
    def method(self):
        raise LookupError("no such item")

    @staticmethod
    def static():
        raise LookupError("no such item")

def in_method():
    Cart().method()

def in_static_method():
    Cart.static()

def in_set_comprehension():
    return {1 // item for item in [0]}

def nested_comprehensions():
    return [[1 // item for item in row] for row in [[0]]]

def in_coroutine():
    async def pay():
        raise TimeoutError("slow")
    asyncio.run(pay())

def in_context_manager():
    @contextlib.contextmanager
    def transaction():
        yield
    with transaction():
        raise ValueError("inside")

def raised_again():
    try:
        plain()
    except ValueError as error:
        raise error

def finally_runs():
    try:
        plain()
    finally:
        helper(str)

def timed_out():
    raise asyncio.TimeoutError("slow")

def timed_out_in_a_thread():
    raise concurrent.futures.TimeoutError("slow")

def waited_for():
    async def slow():
        await asyncio.sleep(60)
    async def main():
        await asyncio.wait_for(slow(), 0.001)
    asyncio.run(main())

def bad_pattern():
    re.compile("(")

def system_error():
    open("/no/such/file")

def four_deep():
    try:
        three_deep()
    except RuntimeError as error:
        raise KeyError("outermost") from error
"""

POOLS = """
import functools
from concurrent.futures import process

def submitted(fail):
    # what a pool of processes does with it, less the processes
    try:
        fail()
    except Exception as error:
        rebuild, arguments = process._ExceptionWithTraceback(error, error.__traceback__).__reduce__()
        error.__traceback__ = error.__context__ = None
        raise rebuild(*arguments)

def in_pool():
    submitted(plain)

def caused_in_pool():
    submitted(caused)

def multiline_in_pool():
    submitted(multiline)

def builtin_in_pool():
    submitted(functools.partial(int, "x"))

def pool_in_pool():
    submitted(caused_in_pool)

def caused_by_pool():
    try:
        in_pool()
    except ValueError as error:
        raise KeyError("outer") from error
"""

GROUPS = """
def group():
    raise ExceptionGroup("several", [ValueError("a"), KeyError("b")])

def raised_leaves():
    errors = []
    for fail in (plain, caused):
        try:
            fail()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("several", [ExceptionGroup("inner", errors), KeyError("x")])

def other_order():
    errors = []
    for fail in (caused, plain, plain):
        try:
            fail()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("in another order", [KeyError("y"), ExceptionGroup("inner", errors)])

def group_as_cause():
    try:
        raised_leaves()
    except Exception as error:
        raise PaymentError("p") from error

def group_with_cause():
    try:
        plain()
    except ValueError as error:
        raise ExceptionGroup("g", [KeyError(1)]) from error

def own_group():
    class Several(ExceptionGroup):
        pass
    raise Several("own", [OSError(2, "gone"), TimeoutError()])

def wide_group():
    raise ExceptionGroup("wide", [ValueError(number) for number in range(40)] + [KeyError("never printed")])

def deep_group():
    error = ExceptionGroup("g", [KeyError("bottom")])
    for depth in range(14):
        error = ExceptionGroup("g", [error, ValueError(depth)])
    raise error

def forged_member():
    lines = chr(10) + "  +-+---------------- 1 ----------------" + chr(10) + "    | OSError: forged"
    raise ExceptionGroup("g" + lines, [ValueError("x" + lines)])

def task_group():
    async def fail():
        raise ValueError("in a task")
    async def main():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
    asyncio.run(main())
"""
GROUP_NAMES = (
    "group", "raised_leaves", "other_order", "group_as_cause", "group_with_cause", "own_group", "wide_group",
    "deep_group", "forged_member", "task_group",
)  # fmt: skip
NOT_FAILURES = ("helper", "decorated", "submitted")

# Where code may come from; the same failure, and another place each time.
PLACES = (
    "/var/task/shop/pay.py", "/srv/app.pyz/shop/pay.py", r"C:\srv\app\shop\pay.py", "<frozen shop.pay>", "<string>",
    "<ipython-input-7-0123456789ab>", "/tmp/ipykernel_77/123.py", "/opt/venv/lib/python3.12/site-packages/shop/pay.py",
    "shop/pay.pyx", "/usr/lib/python3/dist-packages/shop/__init__.py", "/srv/app/shop/__main__.py",
)  # fmt: skip


def load(path: str | Path, source: str = SHOP, name: str = "shop.pay") -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(source, str(path), "exec"), namespace)  # own source
    return namespace


def failing(fail: Callable[[], Any]) -> BaseException:
    """The exception that a function raises."""
    try:
        fail()
    except Exception as error:  # whatever it is
        return error
    raise AssertionError("did not fail")


def recorded(error: BaseException) -> dict[str, str]:
    """As the SDK records it."""
    module, qualname = type(error).__module__, type(error).__qualname__
    return {
        "exception.type": qualname if module == "builtins" else f"{module}.{qualname}",
        "exception.message": str(error),
        "exception.stacktrace": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    }


def in_directory(directory: Path, before: str = "") -> dict[str, BaseException]:
    """Every failure of the shop, whose source lies in that directory, with something before its first line."""
    shop = load(directory / "shop" / "pay.py", before + SHOP + POOLS + (GROUPS if HAS_GROUPS else ""))
    own = {name for name, value in shop.items() if getattr(value, "__module__", None) == "shop.pay" and callable(value)}
    names = sorted(own - {*NOT_FAILURES, "PaymentError", "Cart"})
    return {name: failing(shop[name]) for name in names}


def in_places() -> dict[str, BaseException]:
    return {place: failing(load(place, "def fail():\n    raise ValueError('no')\n")["fail"]) for place in PLACES}


def observed() -> dict[str, dict[str, str | None]]:
    """Fingerprint, culprit and stack hash of every failure, by its name or place."""
    with tempfile.TemporaryDirectory() as directory:
        sys.path.insert(0, directory)
        try:
            return told_of({**in_directory(Path(directory)), **in_places()})
        finally:
            sys.path.remove(directory)


def told_of(errors: dict[str, BaseException]) -> dict[str, dict[str, str | None]]:
    """Fingerprint, culprit and stack hash of exceptions, from their texts."""
    told = {}
    for name, error in errors.items():
        facts = _hot.Classifier(stack_hashes=True).facts(event=recorded(error))
        told[name] = {"fingerprint": facts.fingerprint, "culprit": facts.culprit, "stack_hash": facts.stack_hash}
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(observed(), indent=2, sort_keys=True) + "\n")
