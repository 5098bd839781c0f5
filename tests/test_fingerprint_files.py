"""A frame's file tells the module and whose it is, also where a library was compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from types import FunctionType, ModuleType
from typing import Any

import pytest

from otel_errsample import _hot, fingerprint
from tests.failures import failing, recorded


@pytest.mark.parametrize(
    ("filename", "module", "in_app"),
    [
        ("/usr/lib/python3.11/json/decoder.py", "json.decoder", False),
        ("/opt/venv/lib/python3.12/site-packages/requests/adapters.py", "requests.adapters", False),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml", False),
        ("/app/vendor/site-packages/x/site-packages/y/z.py", "y.z", False),
        ("/usr/lib/python311.zip/json/decoder.py", "json.decoder", False),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", False),
        ("<frozen os>", "os", False),
        ("<string>", "<generated>", False),
        ("<attrs generated init shop.Pay>", "<generated>", False),
        ("<ipython-input-3-abc>", "<notebook>", True),
        ("/tmp/ipykernel_4242/123456.py", "<notebook>", True),
        ("/deep/down/in/srv/app/shop/pay.py", "app.shop.pay", True),
        ("/pay.py", "pay", True),
        ("/srv/shop/__main__.py", "srv.shop", True),
        (r"C:\srv\app\shop\pay.py", "app.shop.pay", True),
        (r"C:\Python311\Lib\site-packages\requests\api.py", "requests.api", False),
        ("/srv/app.pyz/shop/pay.py", "shop.pay", True),
        ("/root/.pex/installed_wheels/0a1b/requests-2.31-py3-none-any.whl/requests/api.py", "requests.api", False),
        ("/srv/deps.zip/shop/__init__.py", "shop", True),
        ("shop/pay.py", "shop.pay", True),
        ("./shop/pay.py", "shop.pay", True),
        ("src/grpc/_cython/cygrpc.pyx", "src.grpc._cython.cygrpc", False),
        ("", "", True),
    ],
)
def test_a_file_tells_its_module_and_whose_it_is(filename: str, module: str, in_app: bool) -> None:
    assert (module, fingerprint.IN_APP if in_app else 0) == fingerprint.module_of(filename)


class TestCompiledSources:
    """Compiled Python says where its source lay on the machine it was built on, by a relative path."""

    INSTALLED = f"/opt/venv/lib/python3.11/site-packages/client/_core{EXTENSION_SUFFIXES[0]}"
    SOURCE = "lib/client/_core.py"
    FUNCTION = "client._core.Rows._only_one"  # so named by Cython

    def compiled(self, function: str, path: str = SOURCE) -> Callable[[], Any]:
        """Its first line raises, under a name that no Python source can give it."""
        code = compile("raise LookupError('no row')", path, "exec").replace(co_name=function)
        return FunctionType(code, {"__name__": "client._core"})

    @pytest.fixture
    def install(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        def add(name: str = "client._core", file: object = self.INSTALLED, made: Any = None) -> None:
            made = made or ModuleType(name)
            made.__file__ = file
            monkeypatch.setitem(sys.modules, name, made)

        return add

    @pytest.mark.parametrize("function", [FUNCTION, "_only_one"], ids=["cython", "mypyc"])
    def test_of_a_library_they_are_not_the_applications(self, install: Callable[..., None], function: str) -> None:
        install()
        only_one = self.compiled(function)

        def first_place() -> None:
            only_one()

        def second_place() -> None:
            only_one()

        told = []
        for place in (first_place, second_place):
            error = failing(place)
            live, text = _hot.Classifier().facts(error), _hot.Classifier().facts(event=recorded(error))
            assert ("live", "event") == (live.source, text.source)
            assert (live.culprit, live.fingerprint) == (text.culprit, text.fingerprint)
            assert f"{__name__}:{place.__name__}" == live.culprit
            told.append(live.fingerprint)
        assert told[0] != told[1]

    def test_they_are_named_as_they_are_imported(self, install: Callable[..., None]) -> None:
        install()
        frames = fingerprint.Frames()
        assert ("client._core:_only_one", 0) == frames.frame(self.SOURCE, self.FUNCTION)
        assert ("client._core:_core", 0) == frames.frame(self.SOURCE, "init client._core")
        included = fingerprint.Frames(in_app_include=["client"])
        assert ("client._core:_only_one", fingerprint.IN_APP) == included.frame(self.SOURCE, self.FUNCTION)

    def test_cython_names_a_module_whose_source_is_called_otherwise(self, install: Callable[..., None]) -> None:
        install()
        assert ("client._core:_only_one", 0) == fingerprint.Frames().frame("client/core_py.py", self.FUNCTION)

    def test_a_coroutine_of_such_a_source_is_known_by_its_package(self, install: Callable[..., None]) -> None:
        install()
        package = ModuleType("client")
        install("client", file="/opt/venv/lib/python3.11/site-packages/client/__init__.py", made=package)
        expected = ("client.core_py:read", fingerprint.IN_APP)
        assert expected == fingerprint.Frames().frame("client/core_py.py", "read")
        names: dict[Any, Any] = vars(package)
        names.update({"_core": 1, 7: 2})
        assert ("client.core_py:read", 0) == fingerprint.Frames().frame("client/core_py.py", "read")
        install("client.core_py", file="/opt/venv/lib/python3.11/site-packages/client/core_py.py")
        assert expected == fingerprint.Frames().frame("client/core_py.py", "read")

    @pytest.mark.parametrize(
        "installed",
        [
            {"file": f"/srv/app/client/_core{EXTENSION_SUFFIXES[0]}"},
            {"file": f"/usr/lib/python3.11/lib-dynload/_core{EXTENSION_SUFFIXES[0]}"},
            {"file": "/opt/venv/lib/python3.11/site-packages/client/_core.py"},
            {"file": None},
            {"file": 7},
            {"name": "other._core"},
            {"made": type("Lazy", (ModuleType,), {})("client._core")},
        ],
        ids=str,
    )
    def test_all_others_at_relative_paths_are_the_applications(
        self, install: Callable[..., None], installed: dict[str, Any]
    ) -> None:
        install(**installed)
        expected = ("lib.client._core:_only_one", fingerprint.IN_APP)
        assert expected == fingerprint.Frames().frame(self.SOURCE, self.FUNCTION)
        assert expected == fingerprint.Frames().frame(self.SOURCE, "_only_one")

    def test_a_text_from_elsewhere_does_not_settle_whose_they_are(self, install: Callable[..., None]) -> None:
        """What a worker process raised may be read before the library is imported here."""
        frames = fingerprint.Frames()
        assert ("lib.client._core:_only_one", fingerprint.IN_APP) == frames.frame(self.SOURCE, self.FUNCTION)
        install()
        assert ("client._core:_only_one", 0) == frames.frame(self.SOURCE, self.FUNCTION)


def test_the_longest_entry_of_the_path_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/srv", "/srv/app", "/srv/application", "", 7])
    assert ("shop.pay", fingerprint.IN_APP) == fingerprint.module_of("/srv/app/shop/pay.py")


def test_compiled_methods_lose_their_class() -> None:
    assert ("pool:query", 0) == fingerprint.Frames().frame("pool.pyx", "pool.Protocol.query")
    assert ("pool:<lambda>", fingerprint.IN_APP) == fingerprint.Frames().frame("pool.py", "<lambda>")
