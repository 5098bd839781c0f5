"""botocore's clients are refused by a stand-in for AWS on loopback."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.config import Config
from botocore.session import Session
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

from tests import ports
from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
BotocoreInstrumentor().instrument()


class Aws(BaseHTTPRequestHandler):
    """S3 has no bucket at all; DynamoDB answers with the error that the table's name says."""

    def do_GET(self) -> None:
        self._answer(404, "<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(400, json.dumps({"__type": f"com.amazonaws.dynamodb#{request['TableName']}", "message": "no"}))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  BaseHTTPRequestHandler names it so
        """Say nothing."""

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def client(service: str, port: int) -> Any:
    session = Session()
    session.set_credentials("key", "secret")
    return session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, connect_timeout=10),
    )


def list_bucket(port: int) -> None:
    s3 = client("s3", port)
    with recorder.application():
        s3.list_objects_v2(Bucket="missing")


def describe(port: int, error: str) -> None:
    dynamodb = client("dynamodb", port)
    with recorder.application():
        dynamodb.describe_table(TableName=error)


with peers.serving(ThreadingHTTPServer(("127.0.0.1", 0), Aws)) as aws, ports.refusing() as refused:
    recorder.play(
        {
            "NoSuchBucket": lambda: list_bucket(aws),
            "ThrottlingException": lambda: describe(aws, "ThrottlingException"),
            "ExpiredTokenException": lambda: describe(aws, "ExpiredTokenException"),
            "ResourceNotFoundException": lambda: describe(aws, "ResourceNotFoundException"),
            "refused": lambda: describe(refused, "any"),
        }
    )
