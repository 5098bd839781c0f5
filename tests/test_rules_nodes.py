"""YAML: every value has its place in the file, whatever says two things or costs too much is refused with its place."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from otel_errsample.errors import RuleError
from otel_errsample.rules.nodes import MAX_NODES, MAX_TEXT, Mapping, Node, Scalar, Sequence, described, read_nodes
from otel_errsample.rules.report import Report


@pytest.fixture(autouse=True, params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PyYAML comes with libyaml nearly everywhere; where it does not, the same holds."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    return str(request.param)


def nodes(text: str) -> Node | None:
    report = Report(text, "f")
    found = read_nodes(text, report)
    report.finish()
    return found


def scalar(text: str) -> Scalar:
    """The first scalar that is no key."""
    node = nodes(text)
    while not isinstance(node, Scalar):
        assert node is not None
        node = node.items[0] if isinstance(node, Sequence) else node.entries[0][1]
    return node


def refused(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        nodes(text)
    return str(caught.value)


def test_a_document_becomes_nodes_with_their_places() -> None:
    node = nodes("a: [x, 'y']\nb:\n  c: 1\n")
    assert isinstance(node, Mapping)
    (a, items), (b, inner) = node.entries
    assert ("a", 0, "b", 12) == (a.text, a.start, b.text, b.start)
    assert isinstance(items, Sequence)
    assert [("x", "", 4, 5), ("y", "'", 7, 10)] == [
        (item.text, item.style, item.start, item.stop) for item in items.items if isinstance(item, Scalar)
    ]
    assert isinstance(inner, Mapping)
    assert (17, "c", "1") == (inner.start, inner.entries[0][0].text, scalar("c: 1").text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n", "---\n", "~", "null # x"], ids=repr)
def test_a_file_that_holds_nothing_is_no_node(text: str) -> None:
    assert nodes(text) is None


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5), ("-5", -5), ("+5", 5), ("0", 0), ("0.5", 0.5), (".5", 0.5), ("1e3", 1000.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        # Text in YAML 1.2, something else in 1.1
        ("no", "no"), ("on", "on"), ("y", "y"), ("012", "012"), ("0x1f", "0x1f"), ("1_000", "1_000"), ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"), (".nan", ".nan"), ("5 MiB", "5 MiB"), ("'5'", "5"), ('"true"', "true"), ("|\n  5", "5"),
    ],
)  # fmt: skip
def test_plain_scalars_are_typed_as_yaml_1_2_does(written: str, value: object) -> None:
    found = scalar(f"a: {written}").value()
    assert (type(value), value) == (type(found), found)


@pytest.mark.scenario("I4")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1", "f:1:4: anchors and aliases are not allowed (write the value out where it is used)"),
        ("a: [*x]", "f:1:5: anchors and aliases are not allowed (write the value out where it is used)"),
        ("a: &x [1]", "f:1:4: anchors and aliases are not allowed (write the value out where it is used)"),
        ("a: !!python/object:os.system x", "f:1:4: tags are not allowed (leave it out)"),
        ("a: ! x", "f:1:4: tags are not allowed (leave it out)"),
        ("!!map {a: b}", "f:1:1: tags are not allowed (leave it out)"),
        ("%TAG ! tag:x,2000:\n---\na: b", "f:1:1: tags are not allowed (leave out the %TAG line)"),
        ("a: b\n---\nc: d", "f:2:1: one document is expected in a file (take out the second '---')"),
        ("a: 1\nb: 2\n'a': 3", "f:3:1: the key 'a' is used twice (leave one of the two out)"),
        ("? [a]\n: b", "f:1:3: a key is expected to be a name"),
        ("a: \x07", "f:1:4: a character that YAML does not allow"),
        ("a: \ud800", "f:1:4: a character that YAML does not allow"),
        ("x:\n " + "[" * 9 + "]" * 9, "f:2:9: values are expected to be nested at most 8 deep"),
        ("x: y\n z: a", "f:2:3: not readable as YAML: mapping values are not allowed "),
        ("x: [a\ny: b", "f:2:2: not readable as YAML: "),
        ("a:\n\t- b", "f:2:1: not readable as YAML: found character "),
        ("a: |# b", "f:1:5: "),
        ("a: >-2# b\n   c", "f:1:7: "),
        ("a: @b", "f:1:4: not readable as YAML: found character "),
        ("a: 'b", "f:1:6: not readable as YAML: found unexpected end of stream"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_refused_with_its_place(text: str, message: str) -> None:
    found = refused(text)
    assert message == found[: len(message)]


def test_the_hints_for_what_goes_wrong_most() -> None:
    assert refused("rules: a: drop").endswith(
        "(put a rule that contains ': ' in quotes, or write all of them below 'rules: |')"
    )
    assert refused("a:\n\t- b").endswith("(indent with spaces, and put text that begins with a mark in quotes)")


def test_all_duplicate_keys_are_reported_at_once() -> None:
    places = [line.split(": ")[0] for line in refused("a: 1\na: 2\nb: {c: 1, c: 2}").splitlines()]
    assert ["f:2:1", "f:3:11"] == places


def bombs() -> dict[str, str]:
    aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{after}: &{after} [{','.join(f'*{before}' for _ in range(9))}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    return {
        "aliases": aliases,
        "too long": "a" * (MAX_TEXT + 1),
        "deep lists": "[" * MAX_TEXT,
        "deep mappings": "{a: " * (MAX_TEXT // 4),
        "deep keys": "? " * (MAX_TEXT // 2),
        "deep dashes": "- " * (MAX_TEXT // 2),
        "deep blocks": "".join(" " * depth + "a:\n" for depth in range(700)),
        "many items": "- a\n" * (MAX_TEXT // 4),
        "many keys": "".join(f"k{number}: v\n" for number in range(MAX_NODES)),
        "many duplicates": "a: b\n" * (MAX_TEXT // 5),
        "a long anchor": "&" + "x" * (MAX_TEXT - 1),
        "a long tag": "!" + "x" * (MAX_TEXT - 1),
        "a long directive": "%" + "x" * (MAX_TEXT - 1),
        "colons": ":" * MAX_TEXT,
        "open quote": '"' + "x " * (MAX_TEXT // 2 - 1),
        "control": "x" * (MAX_TEXT - 1) + "\0",
    }


@pytest.mark.scenario("I4")
@pytest.mark.parametrize("name", bombs())
def test_hostile_text_is_refused(name: str) -> None:
    assert refused(bombs()[name]).startswith("f:")


@pytest.mark.scenario("I4")
@pytest.mark.parametrize("name", bombs())
def test_hostile_text_is_refused_in_bounded_memory(name: str, parser: str) -> None:
    if parser == "python":
        pytest.skip("takes minutes to trace, and builds the same nodes")
    text = bombs()[name]
    refused("a: b: c")  # the import of yaml is not counted
    tracemalloc.start()
    try:
        refused(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 10 << 20


def scalars(node: Node | None) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item)
    elif node is not None:
        for key, value in node.entries:
            yield key
            yield from scalars(value)


def check_places(source: str, node: Scalar) -> None:
    """Every character of the scalar stands in the source where `origin` says, or an escape for it does."""
    origin = node.origin(source)
    for at, letter in enumerate(node.text):
        found = source[origin(at) :]
        if letter in " \t\r\n\x85\u2028\u2029" or found[:1] == letter:
            continue
        length = {"x": 4, "u": 6, "U": 10}.get(found[1:2], 2)
        assert (node.style, letter) == ('"', yaml.safe_load(f'"{found[:length]}"')), (source, at)


# Blanks of every kind, quotes, escapes, indicators, letters beyond the BMP: whatever could break the mapping.
LETTERS = st.sampled_from(list("ab:#'\"\\ \t\n\r\x85\u2028-|>,é\u00a0\U0001f600"))


@given(st.text(LETTERS, min_size=1, max_size=60), st.sampled_from(["'", '"', "|", ">", None]), st.integers(1, 40))
@example("a '' b", "|", 40)
def test_every_character_of_a_scalar_is_found_where_an_emitter_wrote_it(
    text: str, style: str | None, width: int
) -> None:
    source = yaml.safe_dump(["é", text], default_style=style, width=width, allow_unicode=True)
    *_, node = scalars(nodes(source))
    check_places(source, node)


PIECES = st.sampled_from(["\\x20", "\\u0061", "\\n", "''", "\n  ", "\\\n"])


@given(st.lists(LETTERS | PIECES, max_size=40).map("".join))
def test_every_character_of_a_scalar_is_found_where_a_hand_wrote_it(text: str) -> None:
    for source in (f"- {text}", f"- '{text}'", f'- "{text}"', f"- |\n  {text}", f"- >2 # x\r  {text}"):
        try:
            node = nodes(source)
        except RuleError:
            continue
        for found in scalars(node):
            check_places(source, found)


def test_the_end_of_a_text_is_behind_its_last_character() -> None:
    source = "a: |\n  keep if\nb: 1"
    node = scalar(source)
    origin = node.origin(source)
    assert (14, source.index("\nb")) == (origin(len("keep if")), origin(len("keep if")))


def test_a_node_is_described_for_messages() -> None:
    node = nodes("[a, ~, [], {}]")
    assert isinstance(node, Sequence)
    assert ["'a'", "nothing", "a list", "a mapping"] == [described(item) for item in node.items]
