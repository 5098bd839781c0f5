"""`OTEL_TRACES_SAMPLER=errsample`: the sampler that the environment describes."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER_ARG
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler

from otel_errsample.plugins.switch import NAME
from otel_errsample.sampler import ErrorAwareSampler

GROUP: Final = "opentelemetry_traces_sampler"

_BY_RATIO: Final = ("parentbased_traceidratio", "traceidratio")
"""These factories take a number, all others the text as it stands."""

_RECORD: Final = ";record="

_logger: Final = logging.getLogger("otel_errsample")


class _UnusableError(Exception):
    """Why an argument cannot be used; never holds its text, which may be a secret in the wrong variable."""


def traces_sampler(argument: str | None = None) -> ErrorAwareSampler:
    """The sampler for `OTEL_TRACES_SAMPLER_ARG`: `RATIO`, or the head sampler as `NAME` or `NAME:ARGUMENT`.

    NAME is that of any installed entry point of the group `opentelemetry_traces_sampler`, the SDK's own among them;
    what follows the first colon is its argument. Without one the head sampler is the SDK's default,
    parentbased_always_on; so it is, after one warning, where the argument cannot be used. `;record=SHARE` at the end
    is the share of traces that is recorded. Never raises.
    """
    try:
        head, mark, share = _parts((argument or "").strip())
        return ErrorAwareSampler(_head(head) if head else DEFAULT_ON, record=_record(share) if mark else 1.0)
    except _UnusableError as reason:
        problem = str(reason)
    except Exception as error:  # an installed package's fault, or metadata that cannot be read
        problem = f"the sampler it names could not be made ({type(error).__name__})"
    _logger.warning("%s: %s; sampling as parentbased_always_on does", OTEL_TRACES_SAMPLER_ARG, problem)
    return ErrorAwareSampler(DEFAULT_ON)


def _parts(argument: str) -> tuple[str, str, str]:
    """From the end: a vendor's argument may hold anything."""
    return argument.rpartition(_RECORD) if _RECORD in argument else (argument, "", "")


def _record(text: str) -> float:
    if not _is_number(text) or not 0 < float(text) <= 1:
        raise _UnusableError("record is expected to be a number above 0 and at most 1; hint: 0.01;record=0.25")
    return float(text)


def _head(text: str) -> float | Sampler:
    name, colon, argument = (part.strip() for part in text.partition(":"))
    if not colon and _is_number(name):
        return _ratio(name)
    factory = _installed(name).load()
    sampler = factory(_ratio(argument) if name in _BY_RATIO else argument or None)
    if not isinstance(sampler, Sampler):
        raise _UnusableError(f"the sampler it names was expected to be a Sampler, got {type(sampler).__name__}")
    return sampler


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ratio(text: str) -> float:
    if not _is_number(text) or not 0 <= float(text) <= 1:
        raise _UnusableError(
            "the ratio is expected to be a number from 0 to 1; hint: 0.01 samples one trace in a hundred"
        )
    return float(text)


def _installed(name: str) -> EntryPoint:
    names = set()
    for point in entry_points(group=GROUP):
        if point.name == name != NAME:
            return point
        names.add(point.name)
    raise _UnusableError(
        "expected a ratio from 0 to 1, or NAME or NAME:ARGUMENT of an installed sampler "
        f"({', '.join(sorted(names - {NAME}))}); hint: parentbased_traceidratio:0.01"
    )
