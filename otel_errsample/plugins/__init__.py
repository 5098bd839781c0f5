"""What opentelemetry-instrument and the SDK find by name: entry points.

Installed, they change nothing; each is switched on by a variable or a file that names it. A module here costs next to
nothing to load and cannot fail for want of the extension, because it is loaded for everybody; what it needs is imported
when it is switched on. Nothing here raises: what cannot be used is said in one line, and telemetry goes on without it.
"""
