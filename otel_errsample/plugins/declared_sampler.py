"""`sampler: {errsample: {ratio: 0.01}}` in a declarative configuration file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER_ARG
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler

from otel_errsample.plugins.masking import told
from otel_errsample.plugins.sampler import traces_sampler
from otel_errsample.sampler import ErrorAwareSampler

logger = logging.getLogger("otel_errsample")

_PLACE: Final = "tracer_provider.sampler.errsample"
_KEYS: Final = ("ratio", "head", "record")

# What our configurator found in the file, since the SDK calls without the options that stand there.
_declared: dict[str, Any] = {}


@contextmanager
def declaring(options: object) -> Iterator[None]:
    """The options of the file, for the sampler that is made meanwhile."""
    if options is not None and not isinstance(options, Mapping):
        logger.warning("%s: is expected to be a mapping of options; it is left out", _PLACE)
    _declared.update(options if isinstance(options, Mapping) else {})
    try:
        yield
    finally:
        _declared.clear()


def declared_sampler(**options: Any) -> ErrorAwareSampler:
    """The sampler of the options: `ratio`, or `head`, a sampler as the file's schema has them; with it `record`.

    Without either, `OTEL_TRACES_SAMPLER_ARG` says. What cannot be used is one warning, and the SDK's default is the head
    sampler. Never raises.
    """
    options = {**_declared, **options}
    for name in options.keys() - set(_KEYS):
        logger.warning("%s: %r is no option and is left out; the options are %s", _PLACE, name, ", ".join(_KEYS))
    if options.get("ratio") is None and options.get("head") is None:
        return traces_sampler(os.environ.get(OTEL_TRACES_SAMPLER_ARG))
    try:
        return ErrorAwareSampler(_head(options), record=options.get("record", 1.0))
    except Exception as error:
        logger.warning("%s: %s; the default samples", _PLACE, told(error))
        return ErrorAwareSampler(DEFAULT_ON)


def _head(options: Mapping[str, Any]) -> float | Sampler:
    if options.get("ratio") is not None:
        ratio: float = options["ratio"]
        return ratio
    from opentelemetry.configuration import _tracer_provider
    from opentelemetry.configuration._conversion import _dict_to_dataclass
    from opentelemetry.configuration.models import Sampler as Section

    # To older releases `always_off:` without anything under it means that it is not there.
    filled = {name: {} if section is None else section for name, section in options["head"].items()}
    head: Sampler = _tracer_provider._create_sampler(_dict_to_dataclass(filled, Section))
    return head
