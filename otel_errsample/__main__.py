"""`python -m otel_errsample`, the same as the command `otel-errsample`."""

from __future__ import annotations

import sys

from otel_errsample.cli import main

sys.exit(main())
