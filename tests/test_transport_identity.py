"""The User-Agent."""

from __future__ import annotations

import re

from otel_errsample.transport.identity import user_agent


def test_the_user_agent_names_the_exporter_and_this_package() -> None:
    assert re.fullmatch(r"OTel-OTLP-Exporter-Python/\d+\.\d+\S* otel-errsample/\d\S*", user_agent())
