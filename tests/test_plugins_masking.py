"""plugins/masking.py: the texts of errors without the values of variables."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from otel_errsample.plugins.masking import told, without_values


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "otel.yaml"
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(path))
    return path


@pytest.mark.parametrize(
    ("variables", "text", "expected"),
    [
        ({"KEY": "s3cr3t"}, "{'api-key': 'Bearer s3cr3t'}", "{'api-key': 'Bearer ${KEY}'}"),
        ({"KEY": "s3cr3t", "LONG": "s3cr3t-too"}, "s3cr3t-too", "${LONG}"),
        ({"KEY": "a\nbcd"}, "got 'a\\nbcd', a bcd", "got '${KEY}', ${KEY}"),
        ({"KEY": "ab/cd"}, "x=ab%2Fcd", "x=${KEY}"),
        ({"LONG": "api-key=s3cr3t"}, "not s3cr3t", "not ${LONG}"),
        ({"KEY": "abc"}, "abc", "abc"),
        ({"OTHER": "s3cr3t"}, "s3cr3t", "s3cr3t"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "k=s3c%20r3t,l=xyz"}, "s3c r3t s3c%20r3t xyz", "*** *** ***"),
    ],
)
def test_a_name_stands_where_the_value_of_a_variable_in_the_file_was(
    variables: dict[str, str], text: str, expected: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("a: ${KEY}\nb: x${LONG:-none}\n", encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert expected == without_values(text)


def test_an_error_on_one_line_names_the_variables_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "console,nosuch")
    monkeypatch.setenv("OTEL_PYTHON_CONFIGURATOR", "errsample")
    monkeypatch.setenv("OTEL_CONFIG_FILE", "/missing.yaml")
    error = RuntimeError("Requested component 'nosuch'\nin nosuches\nof errsample: /missing.yaml")
    expected = "Requested component '${OTEL_METRICS_EXPORTER}' in nosuches of errsample: ${OTEL_CONFIG_FILE}"
    assert expected == told(error)


def test_what_a_validator_quotes_is_left_out() -> None:
    error = ValueError()
    try:
        jsonschema.validate({"api-key": "literal"}, {"type": "array"})
    except jsonschema.ValidationError as cause:
        error = ValueError(f"no match: {cause.message} (at headers)")
        error.__cause__ = cause
    assert "no match: what stands there is not of type 'array' (at headers)" == told(error)
