"""Flask answers requests that fail."""

from collections.abc import Iterator

from flask import Flask, Response, abort
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from tests.instrumentations.recording import Recorder

recorder = Recorder()
app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)


class Refused(Exception):
    """Has a handler."""


@app.route("/raise")
def broken() -> str:
    with recorder.application():
        raise ValueError("boom")


@app.route("/abort")
def aborting() -> None:
    abort(503)


@app.route("/return")
def returning() -> tuple[str, int]:
    return "", 500


@app.route("/handled")
def handled() -> None:
    raise Refused


@app.route("/stream")
def stream() -> Response:
    def body() -> Iterator[str]:
        yield "begin"
        raise ValueError("boom")

    return Response(body())


@app.errorhandler(Refused)
def refused(_error: Refused) -> tuple[str, int]:
    return "", 400


def propagated() -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = True
    try:
        client.get("/raise")
    finally:
        app.config["PROPAGATE_EXCEPTIONS"] = None


client = app.test_client()
recorder.play(
    {
        "raise": lambda: client.get("/raise"),
        "propagate": propagated,
        "abort 503": lambda: client.get("/abort"),
        "return 500": lambda: client.get("/return"),
        "handler 400": lambda: client.get("/handled"),
        "stream": lambda: client.get("/stream"),
    }
)
