"""What both sides shall keep, said twice: as rules, and as the policies of the Collector's tail_sampling."""

from __future__ import annotations

from typing import Any, Final

# Exact as a threshold: the Collector writes 14 hexadecimal digits of others, we four.
SHARE: Final = 0.0625
SLOW_SECONDS: Final = 1.0

RULES: Final = f"""
alive:  drop if http.route == "/healthz"
errors: keep trace if error
long:   keep trace if root and duration > {SLOW_SECONDS}
forced: keep trace if app.force_sample == true
basket: keep trace if cart.items >= 50 and cart.items <= 100
share:  keep {SHARE:.2%}
"""

POLICIES: Final[list[dict[str, Any]]] = [
    {
        "name": "alive",
        "type": "drop",
        "drop": {
            "drop_sub_policy": [
                {"name": "route", "type": "string_attribute", "string_attribute": {"key": "http.route", "values": ["/healthz"]}}
            ]
        },
    },
    {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
    {"name": "long", "type": "latency", "latency": {"threshold_ms": int(SLOW_SECONDS * 1000)}},
    {"name": "forced", "type": "boolean_attribute", "boolean_attribute": {"key": "app.force_sample", "value": True}},
    {"name": "basket", "type": "numeric_attribute", "numeric_attribute": {"key": "cart.items", "min_value": 50, "max_value": 100}},
    {"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": SHARE * 100}},
]  # fmt: skip

# Without it the percentage is drawn by a hash of its own, and thresholds are neither read nor written: no other
# sampler could agree on the traces.
FEATURE_GATE: Final = "--feature-gates=+processor.tailsamplingprocessor.usetracestate"


def tail_sampling(**settings: Any) -> dict[str, Any]:
    """The processor's section; what `settings` do not say is as it comes (30 s of waiting, 50,000 traces)."""
    return {"policies": POLICIES, **settings}
