"""The axes of an error and the table that classifies exceptions.

The order of each tuple is the numbering the extension uses; `SEVERITIES` and `RECOVERIES` are also the order in
which rules compare them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from typing import Final, Literal, NamedTuple, get_args

from otel_errsample.errors import ConfigError

Kind = Literal[
    "business", "client", "auth", "timeout", "connection", "throttle", "unavailable", "conflict",
    "resource", "config", "data", "bug", "cancelled", "fatal", "unknown",
]  # fmt: skip
Fault = Literal["caller", "self", "dependency", "unknown"]
Severity = Literal["debug", "info", "warn", "error", "fatal"]
Recovery = Literal[
    "retry", "backoff", "retry_tx", "refresh_auth", "fix_request", "fix_code",
    "fix_config", "free_resource", "degrade", "restart", "none",
]  # fmt: skip
KINDS: Final[tuple[str, ...]] = get_args(Kind)
FAULTS: Final[tuple[str, ...]] = get_args(Fault)
SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
RECOVERIES: Final[tuple[str, ...]] = get_args(Recovery)

# Views over kind, usable as sets in rules. third_party is about fault, not kind, and is decided from the span.
VIEWS: Final[dict[str, frozenset[str]]] = {
    "transient": frozenset({"timeout", "connection", "throttle", "unavailable", "conflict"}),
    "client": frozenset({"client", "auth"}),
    "business": frozenset({"business"}),
    "persistent": frozenset({"config", "data", "resource"}),
    "server": frozenset({"bug", "unknown"}),
    "fatal": frozenset({"fatal"}),
}

AXES: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": KINDS,
    "fault": FAULTS,
    "severity": SEVERITIES,
    "recovery": RECOVERIES,
}
# What a code begins with, as in "http:503".
CODE_SCHEMES: Final = ("http", "grpc", "sqlstate", "sqlite", "mysql", "errno", "ssl", "aws", "kafka")
LONGEST_DOMAIN: Final = 64
LONGEST_PATTERN: Final = 300  # characters of a class name or glob, as of the names that are looked up


def check_word(axis: str, word: object) -> None:
    """Raise ConfigError where `word` is not one of the axis, or no usable domain."""
    words = AXES.get(axis)
    if words is None:
        if not isinstance(word, str) or not 0 < len(word) <= LONGEST_DOMAIN or not word.isprintable():
            raise ConfigError(f"{axis} is expected to be 1 to {LONGEST_DOMAIN} printable characters, got {word!r}")
    elif word not in words:
        near = get_close_matches(word, words, n=1) if isinstance(word, str) else []
        hint = f"; hint: did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{axis} is expected to be one of {', '.join(words)}, got {word!r}{hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """What a user says about the errors of a class, or with a code; user rows go before everything else.

    `exception` is a full class name, which covers its subclasses too, or a glob over full class names; `code` is one such
    as "http:503", or a glob over codes such as "sqlstate:23*". In a glob `*` stands for any run of characters and `?` for
    any one. At least one of the two is needed; where both are given, both must hold. An axis left out is filled with
    what is usual for the kind. Raises ConfigError.
    """

    exception: str = ""
    code: str = ""
    kind: str
    fault: str | None = None
    severity: str | None = None
    recovery: str | None = None
    domain: str | None = None

    def __post_init__(self) -> None:
        for name, pattern in (("exception", self.exception), ("code", self.code)):
            if not isinstance(pattern, str) or len(pattern) > LONGEST_PATTERN:
                raise ConfigError(f"{name} is expected to be at most {LONGEST_PATTERN} characters, got {pattern!r}")
        if not self.exception and not self.code:
            raise ConfigError("a row is expected to name an exception, a code or both, got neither")
        check_word("kind", self.kind)
        for axis in ("fault", "severity", "recovery", "domain"):
            word = getattr(self, axis)
            if word is not None:
                check_word(axis, word)


# A row says where to look instead of a kind: at the code the exception or the span carries, or at the cause.
FROM_CODE: Final = "@code"
FROM_CAUSE: Final = "@cause"


class Row(NamedTuple):
    """What the table says about one exception class and its subclasses."""

    kind: str
    recovery: str
    severity: str
    library: bool = False
    peer: bool = False  # of kind resource, and it is the peer's that ran out


# Sections of taxonomy.tsv whose classes are raised by client libraries: a transient error of theirs is a dependency's.
_LIBRARY_SECTIONS: Final = frozenset({"http clients", "databases", "messaging", "rpc and cloud"})
# A server answered so. The other rows of kind resource are about pools, queues, memory and files of this process.
_RESOURCES_OF_PEERS: Final = frozenset(
    {
        "psycopg.errors.TooManyConnections",
        "psycopg.errors.DiskFull",
        "asyncpg.exceptions.InsufficientResourcesError",
        "redis.exceptions.OutOfMemoryError",
    }
)


def load_table() -> dict[str, Row]:
    """Read the default table from the package's data: full class name to `Row`, in the order of the file."""
    table: dict[str, Row] = {}
    library = False
    text = resources.files(__package__).joinpath("taxonomy.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            library = line[2:] in _LIBRARY_SECTIONS
            continue
        name, kind, recovery, severity, _why = line.split("\t")
        table[name] = Row(kind, recovery, severity.lower(), library, name in _RESOURCES_OF_PEERS)
    return table


# Rows that know less than the instance does: the code or the cause is asked first, the row is the fallback.
REFINED: Final[dict[str, str]] = {
    "RuntimeError": FROM_CAUSE,
    "aiohttp.client_exceptions.ContentTypeError": FROM_CODE,
    "sqlalchemy.exc.OperationalError": FROM_CAUSE,
    "sqlite3.OperationalError": FROM_CODE,
    "socket.gaierror": FROM_CODE,
    "urllib3.exceptions.ResponseError": FROM_CODE,
    "psycopg.OperationalError": FROM_CODE,
    "psycopg2.OperationalError": FROM_CODE,
    "pymysql.err.OperationalError": FROM_CODE,
    "pymysql.err.InterfaceError": FROM_CODE,
}

# What goes with a kind where a user states the kind alone: recovery, severity.
USUAL: Final[dict[str, tuple[str, str]]] = {
    "business": ("none", "warn"),
    "client": ("fix_request", "warn"),
    "auth": ("fix_config", "error"),
    "timeout": ("backoff", "error"),
    "connection": ("backoff", "error"),
    "throttle": ("backoff", "error"),
    "unavailable": ("backoff", "error"),
    "conflict": ("retry_tx", "warn"),
    "resource": ("backoff", "error"),
    "config": ("fix_config", "error"),
    "data": ("none", "error"),
    "bug": ("fix_code", "error"),
    "cancelled": ("none", "debug"),
    "fatal": ("none", "fatal"),
    "unknown": ("none", "error"),
}

# Cancellation and exit come before any other row, whatever else the class derives from.
EXITS: Final = (
    "asyncio.exceptions.CancelledError",
    "concurrent.futures._base.CancelledError",
    "GeneratorExit",
    "KeyboardInterrupt",
    "SystemExit",
)

# Packages with the classes of another one, by the beginning of their names.
SAME_CLASSES: Final = {
    **dict.fromkeys(("MySQLdb.", "asyncmy.errors.", "mysql.connector.errors."), "pymysql.err."),
    "httpx2.": "httpx.",
}

# Exceptions that are a framework's way to answer a request; a 404 among them is an answer, not an error.
NOT_FOUND: Final = "django.http.response.Http404"
ANSWERS: Final = frozenset(
    {
        "werkzeug.exceptions.HTTPException",
        "starlette.exceptions.HTTPException",
        "aiohttp.web_exceptions.HTTPException",
        "tornado.web.HTTPError",
        "falcon.http_error.HTTPError",
    }
)

Advice = tuple[str, str]  # kind, recovery


def _spread(*groups: tuple[str, str, tuple[int, ...]]) -> dict[int, Advice]:
    return {code: (kind, recovery) for kind, recovery, codes in groups for code in codes}


HTTP: Final[dict[int, Advice]] = _spread(
    ("client", "fix_request", (400, 405, 406, 410, 411, 413, 414, 415, 417, 422, 428, 431)),
    ("auth", "refresh_auth", (401,)),
    ("business", "none", (402, 451)),
    ("auth", "fix_config", (403, 407)),
    ("client", "none", (404, 418)),
    ("timeout", "retry", (408,)),
    ("conflict", "retry_tx", (409, 412, 423)),
    ("unavailable", "retry", (421, 425)),
    ("unavailable", "none", (424,)),
    ("config", "fix_config", (426, 501, 505, 508, 510, 511)),
    ("throttle", "backoff", (429, 509)),
    ("cancelled", "none", (499,)),
    ("bug", "backoff", (500,)),
    # 520 to 527, 529 and 530 are conventions of content delivery networks
    ("unavailable", "backoff", (502, 503, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530)),
    ("timeout", "backoff", (504,)),
    ("resource", "free_resource", (507,)),
)
HTTP_OTHER_4XX: Final[Advice] = ("client", "none")
HTTP_OTHER_5XX: Final[Advice] = ("unavailable", "backoff")

# google/rpc/code.proto, by number
GRPC: Final[tuple[tuple[str, str, str], ...]] = (
    ("OK", "unknown", "none"),
    ("CANCELLED", "cancelled", "none"),
    ("UNKNOWN", "unknown", "none"),
    ("INVALID_ARGUMENT", "client", "fix_request"),
    ("DEADLINE_EXCEEDED", "timeout", "backoff"),
    ("NOT_FOUND", "client", "none"),
    ("ALREADY_EXISTS", "conflict", "none"),
    ("PERMISSION_DENIED", "auth", "fix_config"),
    ("RESOURCE_EXHAUSTED", "throttle", "free_resource"),  # backoff where the answer carries RetryInfo
    ("FAILED_PRECONDITION", "business", "fix_request"),
    ("ABORTED", "conflict", "retry_tx"),
    ("OUT_OF_RANGE", "client", "fix_request"),
    ("UNIMPLEMENTED", "config", "fix_config"),
    ("INTERNAL", "bug", "none"),
    ("UNAVAILABLE", "unavailable", "backoff"),
    ("DATA_LOSS", "data", "none"),
    ("UNAUTHENTICATED", "auth", "refresh_auth"),
)
# Semantic conventions, docs/rpc/grpc.md: on a client every code but OK is an error, on a server these.
GRPC_SERVER_ERRORS: Final = frozenset({2, 4, 12, 13, 14, 15})

# The whole SQLSTATE first, then its class (two characters).
SQLSTATE: Final[dict[str, Advice]] = {
    "08": ("connection", "retry"),
    "22": ("data", "fix_request"),
    "23": ("business", "none"),
    "25006": ("unavailable", "backoff"),
    "28": ("auth", "fix_config"),
    "40001": ("conflict", "retry_tx"),
    "40P01": ("conflict", "retry_tx"),
    "3D000": ("config", "fix_config"),
    "42": ("bug", "fix_code"),
    "42501": ("auth", "fix_config"),
    "53100": ("resource", "free_resource"),
    "53200": ("resource", "free_resource"),
    "53300": ("resource", "backoff"),
    "55P03": ("conflict", "backoff"),
    "57014": ("timeout", "none"),
    "57P01": ("unavailable", "backoff"),
    "57P02": ("unavailable", "backoff"),
    "57P03": ("unavailable", "backoff"),
    "58": ("resource", "backoff"),
    "XX": ("data", "none"),
}

# Primary result codes, sqlite3.h; an extended code has them in its lowest eight bits.
SQLITE: Final[dict[int, tuple[str, str, str]]] = {
    1: ("ERROR", "bug", "fix_code"),  # what the statement says: its syntax, a missing table
    3: ("PERM", "config", "fix_config"),
    5: ("BUSY", "conflict", "backoff"),
    6: ("LOCKED", "conflict", "backoff"),
    8: ("READONLY", "config", "fix_config"),
    10: ("IOERR", "resource", "backoff"),
    11: ("CORRUPT", "data", "none"),
    13: ("FULL", "resource", "free_resource"),
    14: ("CANTOPEN", "config", "fix_config"),
    17: ("SCHEMA", "conflict", "retry_tx"),
    18: ("TOOBIG", "data", "fix_request"),
    19: ("CONSTRAINT", "business", "none"),
    20: ("MISMATCH", "data", "fix_request"),
    21: ("MISUSE", "bug", "fix_code"),
    25: ("RANGE", "bug", "fix_code"),
    26: ("NOTADB", "config", "fix_config"),
}
# How messages begin where the code is missing: on Python 3.10, and where only the event is left.
SQLITE_TEXTS: Final[dict[str, int]] = {
    "no such ": 1,
    'near "': 1,
    "database is locked": 5,
    "database table is locked": 6,
    "database schema is locked": 6,
    "attempt to write a readonly database": 8,
    "disk I/O error": 10,
    "database disk image is malformed": 11,
    "database or disk is full": 13,
    "unable to open database file": 14,
    "UNIQUE constraint failed": 19,
    "NOT NULL constraint failed": 19,
    "CHECK constraint failed": 19,
    "FOREIGN KEY constraint failed": 19,
    "file is not a database": 26,
}

# Error numbers of MySQL and MariaDB: of the server from 1000 on, of the client from 2000 on.
MYSQL: Final[dict[int, Advice]] = _spread(
    ("conflict", "retry_tx", (1213,)),  # a deadlock
    ("conflict", "backoff", (1205,)),  # waited for a lock
    ("resource", "backoff", (1040, 1203)),  # too many connections
    ("resource", "free_resource", (1021, 1114)),
    ("auth", "fix_config", (1044, 1045, 1142)),
    ("config", "fix_config", (1049,)),
    ("business", "none", (1048, 1062, 1451, 1452, 3819)),
    ("data", "fix_request", (1264, 1366, 1406)),
    ("bug", "fix_code", (1054, 1064, 1146)),
    ("unavailable", "backoff", (1053, 1290, 1792, 1836)),  # it shuts down, or is a replica
    ("timeout", "none", (1317, 3024)),
    ("connection", "backoff", (2002, 2003, 2005)),
    ("connection", "retry", (2006, 2013, 2055, 4031)),
)

# OpenSSL's reason where a certificate is not accepted: no retry changes that, whatever a library calls it.
BAD_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED"
# What stands before the status in the messages of HTTP errors: requests, aiohttp and google's (nothing), urllib, httpx.
HTTP_TEXTS: Final = ("HTTP Error ", "Server error '", "Client error '", "")
# How urllib3 says that the retries were spent on answers; the status stands next.
RETRIED: Final = "too many "

# Error codes of AWS services, without the ending "Exception" that some protocols add. Transient and throttling
# codes are those of botocore's standard retry mode; a throttle often answers with HTTP 400, so the code goes first.
AWS: Final[dict[str, Advice]] = {
    "RequestTimeout": ("timeout", "backoff"),
    **dict.fromkeys(
        (
            "Throttling", "Throttled", "RequestThrottled", "TooManyRequests", "ProvisionedThroughputExceeded",
            "TransactionInProgress", "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceeded",
            "SlowDown", "PriorRequestNotComplete", "EC2Throttled", "KMSThrottling",
        ),
        ("throttle", "backoff"),
    ),
    **dict.fromkeys(("ExpiredToken", "RequestExpired"), ("auth", "refresh_auth")),
    **dict.fromkeys(("AccessDenied", "UnrecognizedClient"), ("auth", "fix_config")),
    **dict.fromkeys(("NoSuchKey", "NoSuchBucket", "ResourceNotFound"), ("client", "none")),
    "ConditionalCheckFailed": ("conflict", "none"),
    "TransactionConflict": ("conflict", "retry_tx"),
}  # fmt: skip

# Where a class and its subclasses keep a code: scheme and dotted path of attributes, dictionary keys and indices.
# The first that is found names the code, the first whose kind is known gives the kind.
CARRIERS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    # grpc's own classes keep it in private fields; their code() may wait for the call to end
    "grpc.RpcError": (("grpc", "_state.code"), ("grpc", "_code"), ("grpc_call", "code")),
    "google.api_core.exceptions.GoogleAPICallError": (("grpc", "grpc_status_code"), ("http", "code")),
    "psycopg.Error": (("sqlstate", "sqlstate"),),
    "psycopg2.Error": (("sqlstate", "pgcode"),),
    "asyncpg.exceptions._base.PostgresError": (("sqlstate", "sqlstate"),),
    "sqlite3.Error": (("sqlite", "sqlite_errorcode"), ("sqlite", "args.0")),
    "botocore.exceptions.ClientError": (
        ("aws", "response.Error.Code"),
        ("http", "response.ResponseMetadata.HTTPStatusCode"),
    ),
    "requests.exceptions.RequestException": (("http", "response.status_code"),),
    "urllib3.exceptions.ResponseError": (("http_retried", "args.0"),),
    "httpx.HTTPStatusError": (("http", "response.status_code"),),
    # aiohttp tells a malformed answer by its parser's exception and the 400 that a server would answer to such a request
    "aiohttp.client_exceptions.ClientResponseError": (("malformed", "__cause__.code"), ("http", "status")),
    "urllib.error.HTTPError": (("http", "code"),),
    "werkzeug.exceptions.HTTPException": (("http", "code"),),
    "starlette.exceptions.HTTPException": (("http", "status_code"),),
    "aiohttp.web_exceptions.HTTPException": (("http", "status_code"),),
    "tornado.web.HTTPError": (("http", "status_code"),),
    "falcon.http_error.HTTPError": (("http", "status"),),
    "socket.gaierror": (("resolver", "errno"),),
    "ssl.SSLError": (("ssl", "reason"),),
    "OSError": (("errno", "errno"), ("errno_said", "args.0")),
    "kafka.errors.KafkaError": (("kafka", "errno"), ("retriable", "retriable")),
    "aiokafka.errors.KafkaError": (("kafka", "errno"), ("retriable", "retriable")),
    "cimpl.KafkaException": (("confluent", "args.0"),),
    "pymongo.errors.PyMongoError": (("labels", "_error_labels"),),
    "sqlalchemy.exc.DBAPIError": (
        ("invalidated", "connection_invalidated"),
        ("mysql", "orig.args.0"),
        ("sqlstate", "orig.sqlstate"),
        ("sqlstate", "orig.pgcode"),
        ("sqlite", "orig.sqlite_errorcode"),
    ),
    "django.db.utils.Error": (
        ("mysql", "__cause__.args.0"),
        ("sqlstate", "__cause__.sqlstate"),
        ("sqlstate", "__cause__.pgcode"),
        ("sqlite", "__cause__.sqlite_errorcode"),
    ),
    "pymysql.err.Error": (("mysql", "args.0"),),
}
# Their errno is another number than its name says: that of OpenSSL, h_errno, that of getaddrinfo.
NUMBERED_OTHERWISE: Final = frozenset({"ssl.SSLError", "socket.herror", "socket.gaierror"})
# What a flag that a library sets on its exceptions means.
RETRIABLE: Final[Advice] = ("unavailable", "backoff")
INVALIDATED: Final[Advice] = ("connection", "backoff")
MALFORMED: Final[Advice] = ("connection", "retry")
LABELS: Final[dict[str, Advice]] = {
    "TransientTransactionError": ("conflict", "retry_tx"),
    "RetryableWriteError": ("unavailable", "backoff"),
}
# Asked of a class that no row of the table describes.
USUAL_CARRIERS: Final = (
    ("sqlstate", "sqlstate"),
    ("sqlstate", "pgcode"),
    ("http", "status_code"),
    ("http", "response.status_code"),
    ("http", "http_status"),
    ("retriable", "retryable"),
    ("retriable", "retriable"),
    ("invalidated", "is_disconnect"),
)
# Where wrappers keep what they wrap; asked before __cause__ and __context__.
WRAPPED: Final = ("orig", "reason", "last_attempt._exception")
HUNG_UP: Final = "BrokenPipeError"  # on a SERVER span the caller went away
# So it did here; the 500 that a framework then sends reaches nobody.
CALLER_LEFT: Final = frozenset({"starlette.requests.ClientDisconnect", "starlette.websockets.WebSocketDisconnect"})
