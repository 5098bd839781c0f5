"""Programs started by the real opentelemetry-instrument, against a real receiver on loopback."""
