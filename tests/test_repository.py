"""What holds for the repository as a whole: tests beside modules, small files, one direction of imports, few names."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import otel_errsample

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "otel_errsample"
MODULES = sorted(PACKAGE.rglob("*.py"))
FRAGMENTS = sorted(path for path in (ROOT / "ext").glob("*.p*") if path.suffix in (".pyx", ".pxd"))
MOST_LINES = 450

# Sources whose test has another stem than their own, or that need none.
TESTED_BY = {
    "otel_errsample/__init__.py": "test_repository",  # the public names, below
    "otel_errsample/__main__.py": "test_cli",  # calls main, nothing else
    "otel_errsample/otlpjson/__init__.py": "test_otlpjson_spans",  # names four things, nothing else
    "otel_errsample/rules/__init__.py": "test_rules_ruleset",  # names Rules, nothing else
    "otel_errsample/observe/__init__.py": "test_metrics",  # a docstring
    "otel_errsample/observe/metrics.py": "test_metrics",  # the only module of its package
    "otel_errsample/plugins/__init__.py": "test_plugins_sampler",  # a docstring
    "otel_errsample/plugins/configurator.py": "zerocode/test_environment",  # through opentelemetry-instrument
    "otel_errsample/plugins/declarative.py": "zerocode/test_file",  # through opentelemetry-configuration
    "otel_errsample/plugins/environment_variables.py": "zerocode/test_environment",
    "otel_errsample/plugins/exporter.py": "zerocode/test_environment",
    "otel_errsample/plugins/hook.py": "zerocode/test_environment",
    "otel_errsample/plugins/instrumentor.py": "zerocode/test_file",
    "otel_errsample/plugins/switch.py": "zerocode/test_environment",
    "otel_errsample/setting.py": "test_config",  # one row of what is tried there
    "otel_errsample/testing/__init__.py": "test_testing_transport",  # names two classes, nothing else
    "ext/scrub_values.pyx": "test_scrub_text",  # how far a secret reaches shows in what is left of a text
    "ext/scrub_shapes.pyx": "test_scrub_text",
    "ext/scrub_tokens.pyx": "test_scrub_text",
    "ext/scrub_pairs.pyx": "test_scrub_text",
    "ext/scrub_schema.pyx": "test_scrub_text",
    "ext/scrub_markup.pyx": "test_scrub_text",
    "ext/scrub_addresses.pyx": "test_scrub_also",
    "ext/scrub_numbers.pyx": "test_scrub_also",
    "ext/scrub_search.pyx": "test_scrub_also",
    "ext/scrub_patterns.pyx": "test_patterns",
    "ext/scrub_clean.pyx": "test_scrub",  # spans as they leave
    "ext/culprits.pyx": "test_fingerprint",  # which frame stands for an error shows in its fingerprint
    "ext/endpoint.pyx": "test_fingerprint_frameless",  # what stands for an error without a frame
    "ext/waiting.pyx": "test_undecided",  # what a span carries while it waits shows when it is let go
    "ext/sending.pyx": "test_undecided",
    "ext/verdict.pyx": "test_path",  # told of what the path decides
    "ext/seen.pyx": "test_path",
    "ext/spoolfile.pyx": "test_ring",  # the layout shows in what is read back
    "ext/_hot.pyx": "test_path",  # includes the fragments, whose flow ends in path.pyx
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def stem_of_test(path: Path) -> str:
    """`otel_errsample/rules/lexer.py` -> `test_rules_lexer`, `ext/encode.pyx` -> `test_encode`."""
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return "_".join(("test", *(part for part in parts if part != "__init__")))


@pytest.mark.parametrize("path", [*MODULES, *FRAGMENTS], ids=name_of)
def test_every_source_has_its_test(path: Path) -> None:
    stem = TESTED_BY.get(name_of(path), stem_of_test(path))
    assert (ROOT / "tests" / f"{stem}.py").is_file()


def test_no_exception_outlives_its_source() -> None:
    assert set(TESTED_BY) <= {name_of(path) for path in (*MODULES, *FRAGMENTS)}


@pytest.mark.parametrize("path", [*MODULES, *FRAGMENTS], ids=name_of)
def test_no_source_is_too_long_to_be_read_at_once(path: Path) -> None:
    assert MOST_LINES >= len(path.read_text(encoding="utf-8").splitlines())


def in_a_fresh_interpreter(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("path", FRAGMENTS, ids=name_of)
def test_no_clause_that_catches_returns(path: Path) -> None:
    """What Cython makes of a return there takes the traceback for granted; without memory there is none."""
    clause: int | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        depth = len(line) - len(line.lstrip())
        if clause is not None and line.strip() and depth <= clause:
            clause = None
        assert clause is None or line.split()[:1] not in (["return"], ["break"], ["continue"]), f"line {number}"
        if line.lstrip().startswith("except ") and line.split("#")[0].rstrip().endswith(":"):
            clause = depth


def test_importing_the_package_loads_only_what_the_path_needs() -> None:
    """An application pays for metrics, test helpers, gRPC and YAML when it uses them."""
    unwanted = (
        "otel_errsample.integrations",
        "otel_errsample.observe",
        "otel_errsample.testing",
        "otel_errsample.cli",
        "rich",
        "grpc",
        "yaml",
    )
    program = "import sys; from otel_errsample import ErrorSpanProcessor; "
    program += f"print([name for name in {unwanted!r} if name in sys.modules])"
    assert "[]" == in_a_fresh_interpreter(program)


def test_importing_the_package_alone_loads_next_to_nothing() -> None:
    """opentelemetry-instrument imports it for everybody who has it, and nobody may notice."""
    program = "import sys; before = set(sys.modules); import otel_errsample.plugins.hook; print({0})"
    loaded = in_a_fresh_interpreter(
        program.format("[n for n in sys.modules if n.startswith(('opentelemetry', 'otel_'))]")
    )
    assert str([
        "otel_errsample", "otel_errsample.plugins", "otel_errsample.errors", "otel_errsample.scrub",
        "otel_errsample.setting", "otel_errsample.config", "otel_errsample.plugins.switch", "otel_errsample.plugins.hook",
    ]) == loaded  # fmt: skip


def imports_of(path: Path) -> set[str]:
    """The package's modules that `path` imports when it is loaded, without those for type checkers only."""
    known = {module_of(other) for other in MODULES}
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names} & known
            found |= inner or {node.module}
        waiting += ast.iter_child_nodes(node)
    return found & known - {"otel_errsample"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module_of(path): imports_of(path) for path in MODULES}
    assert "otel_errsample.export" in graph["otel_errsample.processor"], "imports are seen"
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert set(graph) == set(order)


def test_nothing_but_the_public_names_is_offered() -> None:
    assert [
        "ConfigError",
        "ErrorAwareSampler",
        "ErrorFacts",
        "ErrorSpanProcessor",
        "ErrsampleError",
        "RuleError",
        "Rules",
        "Verdict",
        "classify",
    ] == otel_errsample.__all__
    assert all(hasattr(otel_errsample, name) for name in otel_errsample.__all__)
