"""redis-py meets a server that refuses commands, and a port that refuses connections."""

from socketserver import StreamRequestHandler

import redis
from opentelemetry.instrumentation.redis import RedisInstrumentor
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import ports
from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
RedisInstrumentor().instrument()


def answer(handler: StreamRequestHandler) -> None:
    """Answer `GET x` with the error x, every other command with OK, as RESP has it."""
    while line := handler.rfile.readline():
        words = []
        for _ in range(int(line[1:])):
            length = int(handler.rfile.readline()[1:])
            words.append(handler.rfile.read(length + 2)[:length])
        handler.wfile.write(b"-%s\r\n" % words[1] if words[0] == b"GET" else b"+OK\r\n")


def get(port: int, key: str) -> None:
    client = redis.Redis(port=port, retry=Retry(NoBackoff(), 0), protocol=2, socket_timeout=10)
    try:
        with recorder.application():
            client.get(key)
    finally:
        client.close()


with peers.conversation(answer) as server, ports.refusing() as refused:
    recorder.play(
        {
            "refused": lambda: get(refused, "any"),
            "WRONGTYPE": lambda: get(server, "WRONGTYPE Operation against a key holding the wrong kind of value"),
            "NOAUTH": lambda: get(server, "NOAUTH Authentication required."),
            "OOM": lambda: get(server, "OOM command not allowed when used memory > 'maxmemory'."),
            "LOADING": lambda: get(server, "LOADING Redis is loading the dataset in memory"),
            "READONLY": lambda: get(server, "READONLY You can't write against a read only replica."),
            "CLUSTERDOWN": lambda: get(server, "CLUSTERDOWN The cluster is down"),
        }
    )
