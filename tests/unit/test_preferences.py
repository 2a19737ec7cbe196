"""The preferences of a user: kept as what they are, seen by every process, whole whatever happens."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vpcshim.com.errors import Failure
from vpcshim.com.member import Product
from vpcshim.model.preferences import Preferences, folder
from vpcshim.values import Value

VS, VPC = Product.VIRTUAL_SERVER, Product.VIRTUAL_PC


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


@given(st.text(max_size=20), st.text(max_size=20) | st.booleans() | st.integers() | st.binary(max_size=20))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=30,
    deadline=None,
)
def test_a_value_comes_back_as_what_it_was(key: str, value: Value) -> None:
    key, text = key.encode("utf-8", "replace").decode(), value
    if isinstance(text, str):
        text = text.encode("utf-8", "replace").decode()
    Preferences(VS).set(key, text)
    back = Preferences(VS).get(key)
    assert (back, type(back)) == (text, type(text))


def test_none_until_it_is_set_and_none_when_it_is_removed() -> None:
    preferences = Preferences(VS)
    assert preferences.get("a") is None
    preferences.set("a", 0)
    assert preferences.all() == {"a": 0}
    assert preferences.remove("a") is True
    assert preferences.remove("a") is False
    assert preferences.get("a") is None


def test_each_product_has_its_own() -> None:
    Preferences(VS).set("a", "server")
    assert Preferences(VPC).get("a") is None


def test_a_relative_folder_of_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert folder() == Path.home() / ".config" / "vpcshim"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"a": 3}', '{"a": ["integer", true]}', '{"a": ["bytes", "0G"]}', '{"a": ["x", 1]}'],
)
def test_a_file_that_is_none_of_ours_is_named_and_left(text: str) -> None:
    preferences = Preferences(VS)
    preferences.file.parent.mkdir()
    preferences.file.write_text(text)
    with pytest.raises(Failure, match=str(preferences.file)):
        preferences.get("a")
    with pytest.raises(Failure, match=str(preferences.file)):
        preferences.set("a", 1)
    with pytest.raises(Failure, match=str(preferences.file)):
        preferences.remove("a")
    assert preferences.file.read_text() == text


def test_what_cannot_be_kept_says_where(home: Path) -> None:
    (home / "vpcshim").write_text("a file, where a folder is to be")
    with pytest.raises(Failure, match="cannot be kept in"):
        Preferences(VS).set("a", 1)


def _count(times: int) -> None:
    def one_more(values: dict[str, Value]) -> None:
        values["n"] = int(values.get("n", 0)) + 1

    for _ in range(times):
        Preferences(VS).change(one_more)


def test_processes_do_not_lose_each_others_changes() -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(20,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert Preferences(VS).get("n") == 80
    assert json.loads(Preferences(VS).file.read_text()) == {"n": ["integer", 80]}
