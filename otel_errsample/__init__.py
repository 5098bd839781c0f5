"""Keep the spans that explain failures."""
