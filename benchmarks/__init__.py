"""What the project costs, measured beside BatchSpanProcessor and the official OTLP exporters.

cases         one registry: a sentence, a stage, the arms noop, stock and ours, the targets
wall          CPU and wall time, arms interleaved in one process
instructions  instruction counts under callgrind, against a committed baseline
memory        bytes per buffered span and the garbage collector's pass, in fresh processes
latency       what requests on eight threads feel
render        results.json as a Markdown table
"""
