"""The text of a stack is that of `traceback`, made once per frame, in bounded memory."""

from __future__ import annotations

import gc
import linecache
import traceback
import types
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample import _hot, printing
from tests.raising import load, load_forms, paths, thrown_by

THROW = "def throw(path, error):\n    raise error\n"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_forms(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def known() -> Any:
    """One memory for all examples, so that most frames were met before."""
    return _hot.FrameTexts()


def stack(module: Any, *path: int) -> Any:
    return thrown_by(module, path, ValueError("x")).__traceback__


def same_text(frames: Any, tb: Any) -> str:
    """What the frames read as, which is what `traceback` prints now."""
    text = "".join(frames.stack(tb))
    assert "".join(traceback.format_tb(tb)) == text
    return text


class TestText:
    @given(path=paths, module=st.integers(0, 2))
    def test_any_stack_reads_as_traceback_prints_it(
        self, path: list[int], module: int, modules: Any, known: Any
    ) -> None:
        same_text(known, stack(modules[module], *path))

    def test_a_second_time_nothing_is_formatted(self, modules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        frames, tb = _hot.FrameTexts(), stack(modules[0], 2, 5, 1, 1, 1, 1, 1, 1, 3)
        text = same_text(frames, tb)
        monkeypatch.setattr(printing, "first_frame", None)
        assert text == "".join(frames.stack(stack(modules[0], 2, 5, 1, 1, 1, 1, 1, 1, 3)))
        assert "[Previous line repeated 3 more times]" in text

    def test_equal_code_of_two_files_is_told_apart(self, modules: Any) -> None:
        assert modules[0].throw.__code__ is not modules[1].throw.__code__
        frames = _hot.FrameTexts()
        one, other = (same_text(frames, stack(module, 3)) for module in modules[:2])
        assert ("one.py" in one, "other.py" in one) == ("other.py" in other, "one.py" in other) == (True, False)

    def test_a_deep_recursion_is_folded(self, known: Any) -> None:
        def down(left: int) -> None:
            down(left - 1) if left else int("x")

        with pytest.raises(ValueError, match="invalid literal") as caught:
            down(300)
        assert "[Previous line repeated 298 more times]" in same_text(known, caught.value.__traceback__)

    def test_a_traceback_made_by_hand(self, modules: Any) -> None:
        """Template engines put the lines of their templates into tracebacks."""
        frames, real = _hot.FrameTexts(), stack(modules[0], 3)
        for instruction, line in ((real.tb_lasti, 3), (-1, 5), (real.tb_lasti, 7), (0, 9)):
            same_text(frames, types.TracebackType(real.tb_next, real.tb_frame, instruction, line))

    @pytest.mark.parametrize("value", [3, "text", object], ids=repr)
    def test_what_is_no_traceback_is_refused(self, value: Any) -> None:
        with pytest.raises(_hot.Unusual):
            _hot.FrameTexts().stack(value)

    def test_no_traceback_is_no_frames(self) -> None:
        assert [] == _hot.FrameTexts().stack(None)


class TestSources:
    def test_a_missing_source_is_looked_for_again(self, tmp_path: Path) -> None:
        frames, file = _hot.FrameTexts(), tmp_path / "late.py"
        tb = stack(load(THROW, str(file)))
        without = same_text(frames, tb)
        file.write_text(THROW, encoding="utf-8")
        linecache.checkcache()
        for _ in range(64):
            assert without == "".join(frames.stack(tb))
        assert "    raise error\n" in same_text(frames, tb)

    def test_a_source_reads_as_first_seen(self, tmp_path: Path) -> None:
        frames, file = _hot.FrameTexts(), tmp_path / "edited.py"
        file.write_text(THROW, encoding="utf-8")
        tb = stack(load(THROW, str(file)))
        first = same_text(frames, tb)
        file.write_text(THROW.replace("raise error", "raise error  # edited"), encoding="utf-8")
        linecache.checkcache()
        assert first == "".join(frames.stack(tb))


class TestMemory:
    def test_frames_and_their_code_are_bounded(self) -> None:
        frames, pattern = _hot.FrameTexts(), load(THROW, "<pattern>").throw
        codes = []
        for number in range(5000):
            made = types.FunctionType(pattern.__code__.replace(co_name=f"f{number}"), {})
            codes.append(weakref.ref(made.__code__))
            frames.stack(stack(types.SimpleNamespace(throw=made)))
        assert 3000 < len(frames) <= 4096
        assert 0 < frames.characters < 4096 * 200
        gc.collect()  # the exceptions are part of cycles of this test's making
        assert len(frames) >= sum(code() is not None for code in codes), "an evicted frame lets go of its code"
        assert codes[-1]() is not None

    def test_characters_are_bounded(self) -> None:
        frames, pattern = _hot.FrameTexts(), load(THROW, "<pattern>").throw
        for number in range(600):
            name = f"f{number}".ljust(10_000, "_")
            made = types.FunctionType(pattern.__code__.replace(co_name=name), {})
            frames.stack(stack(types.SimpleNamespace(throw=made)))
        assert 3 << 20 < frames.characters <= 4 << 20

    def test_a_frame_of_a_minified_source_is_not_kept(self, tmp_path: Path) -> None:
        frames, file = _hot.FrameTexts(), tmp_path / "minified.py"
        source = f"def throw(path, error): raise error; {'x;' * 9000}\n"
        file.write_text(source, encoding="utf-8")
        same_text(frames, stack(load(source, str(file))))
        assert (1, True) == (len(frames), frames.characters < 1000), "only that of thrown_by"

    @pytest.mark.parametrize("raises", [ValueError, RecursionError])
    def test_neither_frames_nor_what_they_hold_are_kept(self, raises: Callable[..., BaseException]) -> None:
        class Local:
            pass

        def fail(local: Local) -> None:
            raise raises("x")

        frames, local = _hot.FrameTexts(), Local()
        alive = weakref.ref(local)
        gc.disable()
        try:
            try:
                fail(local)
            except (ValueError, RecursionError) as error:
                same_text(frames, error.__traceback__)
            del local
            assert alive() is None, "freed by reference counts alone"
        finally:
            gc.enable()
