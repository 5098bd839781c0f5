"""kafka-python's producer fails to send: with each of its exceptions, raised where a broker would make it."""

from collections.abc import Callable
from typing import Any

from kafka import KafkaProducer, errors
from opentelemetry.instrumentation.kafka import KafkaInstrumentor

from tests.instrumentations.recording import Recorder


class Producer(KafkaProducer):
    """A producer that needs no broker: its send is the instrumented one, over `fail`."""

    def __init__(self) -> None:
        self.config = {"bootstrap_servers": "127.0.0.1:9092", "client_id": "shop"}


def fail(_producer: Any, _topic: str, value: Any, **_fields: Any) -> None:
    __tracebackhide__ = True  # a frame of the library's, in place of what it calls
    raise value


recorder = Recorder()
KafkaProducer.send = fail
KafkaInstrumentor().instrument()


def send(exception: type[Exception]) -> Callable[[], None]:
    def sending() -> None:
        with recorder.application():
            Producer().send("topic", value=exception("refused"))

    return sending


recorder.play(
    {
        name: send(getattr(errors, name))
        for name in (
            "KafkaTimeoutError",
            "KafkaConnectionError",
            "TopicAuthorizationFailedError",
            "MessageSizeTooLargeError",
            "NotLeaderForPartitionError",
        )
    }
)
