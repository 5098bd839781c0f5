"""The JSON Schema of a configuration file, made from the tables that the file is read by."""

from __future__ import annotations

from typing import Any, Final

from otel_errsample.config import FILE_SETTINGS
from otel_errsample.rules.rows import KEYS, MAX_ROWS, PATTERNS
from otel_errsample.setting import Setting
from otel_errsample.taxonomy import AXES

_ROW_HELP: Final = {
    "exception": "A full class name, which covers its subclasses, or a glob over full class names.",
    "code": "A code, or a glob over codes.",
    "kind": "What kind of failure it is.",
    "fault": "Who is at fault.",
    "severity": "How bad it is.",
    "recovery": "What helps.",
    "domain": "Which part of the business it belongs to.",
}


def schema() -> dict[str, Any]:
    """The schema as JSON values. What it cannot say, the language of rules, is left to the reader of the file."""
    rules = "Rules, separated by newlines or ';'; the first that matches a span wins."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of otel-errsample",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rules": {
                "description": rules,
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            },
            "classify": {
                "description": "What exceptions and codes mean; the first row that holds goes before everything else.",
                "type": "array",
                "maxItems": MAX_ROWS,
                "items": _row(),
            },
            "settings": {
                "description": "Settings that are given neither in code nor in the environment.",
                "type": "object",
                "additionalProperties": False,
                "properties": {name: _setting(setting) for name, setting in FILE_SETTINGS.items()},
            },
        },
    }


def _row() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind"],
        "anyOf": [{"required": ["exception"]}, {"required": ["code"]}],
        "properties": {
            key: {
                "description": _ROW_HELP[key],
                **({"enum": list(AXES[key])} if key in AXES else {"type": "string", "pattern": PATTERNS[key]}),
            }
            for key in KEYS
        },
    }


def _setting(setting: Setting) -> dict[str, Any]:
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    choice = {"enum": list(setting.choices)} if setting.choices else {}
    described = {"description": setting.help, "default": default}
    if isinstance(setting.default, bool):
        return {**described, "type": "boolean"}
    if isinstance(setting.default, int):
        return {**described, "type": "integer", "minimum": setting.low, "maximum": setting.high}
    if isinstance(setting.default, tuple):
        item = {"pattern": setting.pattern} if setting.pattern else {"minLength": 1}
        most = {"maxItems": setting.high} if setting.high else {}
        return {**described, "type": "array", **most, "items": choice or {"type": "string", **item}}
    return {**described, **(choice or {"type": "string"})}
