"""The configurator `errsample`: the SDK's own, with our span processor where it has a BatchSpanProcessor."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_tracer_provider
from opentelemetry.util._importlib_metadata import entry_points

from otel_errsample.plugins.masking import told
from otel_errsample.plugins.switch import CONFIGURATORS, NAME, is_named, switched

logger = logging.getLogger("otel_errsample")

_TRACES: Final = "OTEL_TRACES_EXPORTER"
_OTHERS: Final = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
_FILE: Final = "OTEL_CONFIG_FILE"
_LAUNCHER: Final = "opentelemetry.instrumentation.auto_instrumentation._load"


class ErrsampleConfigurator(_OTelSDKConfigurator):
    """Chosen by `OTEL_PYTHON_CONFIGURATOR=errsample`.

    Where that is unset the launcher takes the first configurator it finds, which may be this one: then the next one
    does the work, as if this package were not installed. With `OTEL_ERRSAMPLE_ENABLED=false` the SDK's own does, and
    where a file has entries of ours, they behave as its batch processor.
    """

    _instance = None  # not the one that a base class keeps for itself

    def _configure(self, **kwargs: Any) -> None:
        if not is_named():
            _leave_to_the_next(kwargs)
        elif switched() is False and not os.environ.get(_FILE):
            super()._configure(**kwargs)  # which refuses a file with an entry of ours; there ours does as the SDK's
        else:
            self.set_up(**kwargs)

    def set_up(self, **kwargs: Any) -> None:
        """Configure the SDK with our span processor; whatever fails, telemetry goes on."""
        try:
            if os.environ.get(_FILE) and _from_file(os.environ[_FILE]):
                return
            with _set(**{_FILE: ""}):
                self._from_environment(kwargs)
        except Exception as error:
            logger.error("the SDK is configured without otel-errsample, which failed: %s", _line(error))
            if not isinstance(get_tracer_provider(), TracerProvider):
                self._without_us(kwargs)

    def _without_us(self, kwargs: Mapping[str, Any]) -> None:
        if os.environ.get(_FILE):
            try:
                super()._configure()  # beside a file the SDK reads no arguments, and would say so
                return
            except Exception as error:  # the SDK's own refuses a processor of ours
                logger.error("%s cannot be used, the environment is instead: %s", _FILE, _line(error))
                if isinstance(get_tracer_provider(), TracerProvider):  # traces came first and stand
                    return
        with _set(**{_FILE: ""}):
            super()._configure(**kwargs)

    def _from_environment(self, kwargs: Mapping[str, Any]) -> None:
        from otel_errsample.plugins import exporters

        processors = exporters.from_environment({})
        try:
            with _set(**{_TRACES: "none"}):
                super()._configure(**kwargs, span_processors=processors)
        except Exception as error:
            if isinstance(get_tracer_provider(), TracerProvider):  # traces came first and stand
                logger.error("metrics or logs could not be configured: %s", _line(error))
                return
            logger.error("only traces are configured, since the SDK says: %s", _line(error))
            with _set(**dict.fromkeys((_TRACES, *_OTHERS), "none")):
                super()._configure(**kwargs, span_processors=processors)


def _from_file(path: str) -> bool:
    """Configure the SDK as the file says; False, after saying why, where that cannot be done at all."""
    try:
        from opentelemetry.configuration import load_config_file
    except ImportError:
        logger.error("%s needs the package opentelemetry-configuration; the environment is used instead", _FILE)
        return False
    try:
        config = load_config_file(path)
    except Exception as error:
        logger.error("%s cannot be used, the environment is instead: %s", _FILE, _line(error))
        return False
    from otel_errsample.plugins import declarative

    return declarative.configure(config)


def _leave_to_the_next(kwargs: Mapping[str, Any]) -> None:
    """What the launcher would do without us: the first configurator configures, the others are named in its log."""
    for point in entry_points(group=CONFIGURATORS):
        if point.name != NAME:
            point.load()().configure(**kwargs)
            logging.getLogger(_LAUNCHER).addFilter(_says_the_truth(point.name))
            return


def _says_the_truth(configured: str) -> Any:
    """A filter for the launcher's log, which takes us for the configurator that was loaded."""

    def keep(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 2 and record.args[1] == NAME:  # (other, loaded)
            record.args = (record.args[0], configured)
            return record.args[0] != configured
        return True

    return keep


@contextmanager
def _set(**variables: str) -> Iterator[None]:
    """Variables as given, while the SDK reads them."""
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _line(error: Exception) -> str:
    """An error on one line, with its class: of many the text alone says nothing."""
    return f"{type(error).__name__}: {told(error)}"
