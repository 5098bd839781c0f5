"""Run where the system gives no thread: as nobody, who may have one process, which is this one. Prints JSON.

The argument is for how many milliseconds to wait for a flush, and as long again for the end.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor

NOBODY = 65534

patience = int(sys.argv[1])

# Nobody may not be able to read what is imported later.
"host".encode("idna")
ErrorSpanProcessor("keep").shutdown(100)
provider = TracerProvider(shutdown_on_exit=False)  # the SDK looks for its resource in threads

resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
os.setuid(NOBODY)
try:
    threading.Thread(target=int).start()
except RuntimeError:
    pass
else:
    sys.exit("a thread could be started all the same")
processor = ErrorSpanProcessor("keep")
provider.add_span_processor(processor)
tracer = provider.get_tracer("starving")
for _ in range(100):
    span = tracer.start_span("s")
    span.set_status(StatusCode.ERROR)
    span.end()
before = processor.stats()
flushed = processor.force_flush(patience)
after = processor.stats()
told = {
    "state": before.worker,
    "waiting": before.buffered,
    "flushed": flushed,
    "delivered": after.endings["delivered"],
    "swallowed": sorted(after.internal_errors),
    "shut_down": processor.shutdown(patience),
}
print(json.dumps(told))
