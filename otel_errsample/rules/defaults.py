"""The rules that apply where the user's do not say otherwise."""

from __future__ import annotations

from typing import Final

# Every failure is seen, and a storm of one failure costs five spans a second; what is left out is counted on the next
# one kept.
DEFAULT_RULES: Final = "default.errors: keep 5 per second by fingerprint if error"
