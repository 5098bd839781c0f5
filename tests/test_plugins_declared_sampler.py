"""plugins/declared_sampler.py: the options that need no schema; tests/zerocode/test_file.py has the whole file."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.trace.sampling import DEFAULT_ON

from otel_errsample.plugins.declared_sampler import declared_sampler


def test_a_ratio_and_the_share_that_is_recorded() -> None:
    assert (
        declared_sampler(ratio=0.01, record=0.25).get_description()
        == "ErrorAwareSampler{ConsistentParentBased{0.01,th:fd70a},record:0.25}"
    )


def test_a_wrong_share_is_one_warning_and_the_sdks_default(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sampler = declared_sampler(ratio=0.01, record=0)
    assert f"ErrorAwareSampler{{{DEFAULT_ON.get_description()}}}" == sampler.get_description()
    (record,) = caplog.records
    assert "record is expected to be a number above 0 and at most 1" in record.getMessage()
