"""Stored results: the same value comes back, in another process too, and nothing that we did not sign is ever loaded."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.engine.cache_records import CacheRecords
from orchestra_nb.engine.result_serializers import CompressedSerializer, JSONSerializer, NotExact
from orchestra_nb.engine.results import ResultStore, default_results_url
from orchestra_nb.engine.signing_key import load_signing_key
from orchestra_nb.errors import InvalidInput, InvalidSetting, ResultNotFound, ResultNotTrusted, ValueNotPortable
from orchestra_nb.model.fingerprints import fingerprint
from orchestra_nb.model.result_reference import ResultReference

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = bytes(range(32))
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index([3, 4], name="i"))


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results", signing_key=KEY)


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place of each kind: the local folder, and one that fsspec reaches."""
    if request.param == "folder":
        yield str(tmp_path / "deep" / "results")
        return
    import fsspec

    yield f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()


def write(store: ResultStore, value: object, **options: Any) -> ResultReference:
    return store.write(value, name="load", now=NOW, **options)


class Evil:
    """What must never be loaded: unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


class Shouting:
    """A serializer of the user's."""

    def dumps(self, obj: str) -> bytes:
        return obj.upper().encode()

    def loads(self, blob: bytes) -> str:
        return blob.decode().lower()


@pytest.mark.parametrize(
    ("value", "serializer"),
    [
        pytest.param(None, "json", id="None"),
        pytest.param({"a": [1, -0.5, True, "ü"], "b": {}}, "json", id="plain"),
        pytest.param(10**30, "json", id="a big number"),
        pytest.param(FRAME, "arrow", id="frame"),
        pytest.param(FRAME["b"], "arrow", id="series"),
        pytest.param(pd.Series([1.5, None]), "arrow", id="series without a name"),
        pytest.param(pd.DataFrame({"t": pd.to_datetime(["2026-01-01"], utc=True)}), "arrow", id="times"),
        pytest.param(pd.DataFrame({"k": pd.Categorical(["x", "y"])}), "arrow", id="categories"),
        pytest.param(pa.table({"a": [1, None]}).replace_schema_metadata({"k": "v"}), "arrow", id="table"),
        pytest.param(pa.record_batch({"a": [[1], None]}), "arrow", id="batch"),
        pytest.param(pa.record_batch({"a": pa.array([], pa.int8())}), "arrow", id="empty batch"),
        pytest.param((1, 2), "pickle", id="tuple"),
        pytest.param({1: 2}, "pickle", id="keys that are no text"),
        pytest.param([float("nan")], "pickle", id="nan"),
        pytest.param("\ud83d\ude00", "pickle", id="lone surrogates"),
        pytest.param(10**5000, "pickle", id="a number too long for Python to read"),
        pytest.param(np.arange(3), "pickle", id="array"),
        pytest.param(np.float64(1), "pickle", id="numpy's float"),
        pytest.param(pd.DataFrame({"m": [1, "a"]}), "pickle", id="mixed column"),
        pytest.param(pd.DataFrame({1: [1]}), "arrow", id="columns that are no text"),
        pytest.param(pd.DataFrame({"o": [(1, 2), (3,)]}), "pickle", id="tuples in a column"),
        pytest.param(pd.Series([1], index=pd.date_range("2026", periods=1, freq="D")), "pickle", id="frequency"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "compressed/"])
def test_a_value_comes_back_as_it_was(store: ResultStore, prefix: str, value: object, serializer: str) -> None:
    store = ResultStore(store.url, signing_key=KEY, serializer=f"{prefix}auto")

    reference = write(store, value)
    read = store.read(reference)

    assert reference.serializer == prefix + serializer
    assert fingerprint(read) == fingerprint(value)
    assert getattr(getattr(read, "index", None), "freq", None) == getattr(getattr(value, "index", None), "freq", None)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(JSON_LIKE)
def test_json_gives_back_the_same_value_or_refuses(value: object) -> None:
    serializer = JSONSerializer()

    try:
        blob = serializer.dumps(value)
    except NotExact:
        return

    assert fingerprint(serializer.loads(blob)) == fingerprint(value)


@pytest.mark.parametrize("serializer", ["json", "arrow", "pickle", "compressed/json", CompressedSerializer("pickle")])
def test_a_result_is_found_in_any_place(url: str, serializer: Any) -> None:
    value = FRAME if serializer == "arrow" else {"a": [1]}
    store = ResultStore(url, signing_key=KEY, serializer=serializer)

    reference = write(store, value)

    assert fingerprint(ResultStore("/elsewhere", signing_key=KEY).read(reference)) == fingerprint(value)
    assert reference.url.startswith(url)
    store.delete(reference)
    store.delete(reference)
    with pytest.raises(ResultNotFound, match="not there any more"):
        store.read(reference)


def test_a_reference_travels_as_json(store: ResultStore) -> None:
    reference = write(store, 1, expires_at=NOW + timedelta(hours=1))

    travelled = msgspec.json.decode(msgspec.json.encode(reference), type=ResultReference)

    assert travelled == reference
    assert (reference.created_at, reference.size_bytes) == (NOW, 1)
    assert [reference.is_expired(NOW + timedelta(minutes=minutes)) for minutes in (59, 60)] == [False, True]


def test_another_process_reads_what_a_worker_wrote(tmp_path: Path) -> None:
    code = (
        "import sys, pickle; store, name = pickle.load(sys.stdin.buffer); import datetime; "
        "reference = store.write((1, {2}), name=name, now=datetime.datetime.now(datetime.UTC)); "
        "sys.stdout.buffer.write(pickle.dumps(reference))"
    )
    store = ResultStore(tmp_path, signing_key=KEY)

    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps((store, "load")), check=True, capture_output=True
    )

    assert store.read(pickle.loads(done.stdout)) == (1, {2})


def test_a_class_of_a_notebook_comes_back(store: ResultStore) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("class Box:\n    def size(self): return 3", namespace)

    assert store.read(write(store, namespace["Box"]())).size() == 3


def test_the_same_result_is_stored_once(store: ResultStore) -> None:
    assert write(store, {"a": 1}) == write(store, {"a": 1})
    assert len([path for path in Path(store.url).rglob("*") if path.is_file()]) == 1


def test_results_are_for_their_user_alone(store: ResultStore) -> None:
    reference = write(store, 1)

    path = Path(reference.url)
    assert [stat.S_IMODE(part.stat().st_mode) for part in (path, path.parent, Path(store.url))] == [0o600, 0o700, 0o700]


def test_many_writers_of_one_result_leave_one_whole_file(store: ResultStore) -> None:
    value = list(range(50_000))

    with ThreadPoolExecutor(8) as pool:
        references = list(pool.map(lambda _: write(store, value), range(40)))
        read = list(pool.map(store.read, references))

    assert len(set(references)) == 1
    assert read == [value] * 40
    assert [path.name for path in Path(references[0].url).parent.iterdir()] == [Path(references[0].url).name]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "results"
    store = ResultStore(blocked, signing_key=KEY)
    reference = write(store, [1])
    Path(reference.url).unlink()
    Path(reference.url).mkdir()

    with pytest.raises(IsADirectoryError):
        write(store, [1])

    assert [path for path in blocked.rglob("*") if path.is_file()] == []


def test_a_named_result_replaces_the_one_before(store: ResultStore) -> None:
    first = write(store, [1], storage_key="report/latest.json")
    second = write(store, [2], storage_key="report/latest.json")

    assert first.url == second.url == f"{store.url}/report/latest.json"
    assert store.read(second) == [2]
    with pytest.raises(ResultNotTrusted, match="was altered or replaced"):
        store.read(first)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_a_name_outside_the_folder_is_refused(store: ResultStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="no file below the folder"):
        write(store, 1, storage_key=name)


def unsigned(content: bytes, evil: bytes) -> bytes:
    return evil


def with_the_old_head(content: bytes, evil: bytes) -> bytes:
    return content[:58] + evil


def with_an_empty_signature(content: bytes, evil: bytes) -> bytes:
    return content[:26] + bytes(32) + evil


@pytest.mark.parametrize("alter", [unsigned, with_the_old_head, with_an_empty_signature])
@pytest.mark.parametrize("serializer", ["pickle", "compressed/pickle"])
def test_a_pickle_that_we_did_not_sign_is_never_loaded(
    tmp_path: Path, alter: Callable[[bytes, bytes], bytes], serializer: str
) -> None:
    store = ResultStore(tmp_path / "results", signing_key=KEY, serializer=serializer)
    reference = write(store, (1, 2))
    path, mark = Path(reference.url), tmp_path / "mark"
    evil = cloudpickle.dumps(Evil(mark))
    path.write_bytes(alter(path.read_bytes(), evil))
    forged = msgspec.structs.replace(reference, digest=hashlib.sha256(evil).hexdigest())

    for known in (reference, forged):
        with pytest.raises(ResultNotTrusted, match="It was not loaded"):
            store.read(known)

    assert not mark.exists()


def test_a_result_of_another_user_is_not_loaded(store: ResultStore) -> None:
    other = ResultStore(store.url, signing_key=bytes(32))
    reference = write(store, {1})

    with pytest.raises(ResultNotTrusted, match="another user's key"):
        other.read(reference)

    assert write(other, {1}).url != reference.url
    assert store.read(reference) == {1}


def test_a_json_result_that_was_altered_is_refused(store: ResultStore) -> None:
    reference = write(store, {"a": 1})
    Path(reference.url).write_text('{"a":2}')

    with pytest.raises(ResultNotTrusted, match="altered"):
        store.read(reference)


def test_no_record_holds_the_key(store: ResultStore) -> None:
    reference = write(store, {1})

    assert KEY not in Path(reference.url).read_bytes()
    assert repr(KEY) not in repr(store)


def test_a_serializer_of_the_user_is_used_and_signed(store: ResultStore) -> None:
    own = ResultStore(store.url, signing_key=KEY, serializer=Shouting())

    reference = write(own, "word")

    assert reference.serializer == "custom/Shouting"
    assert b"WORD" in Path(reference.url).read_bytes()
    assert own.read(reference) == "word"
    with pytest.raises(InvalidInput, match="Give the same one as result_serializer"):
        store.read(reference)
    Path(reference.url).write_bytes(b"WORD")
    with pytest.raises(ResultNotTrusted, match="without a signature"):
        own.read(reference)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(threading.Lock(), "result of load (type lock) cannot be stored", id="lock"),
        pytest.param({"a": [threading.Lock()]}, "['a'] → [0] (type lock)", id="a lock inside"),
        pytest.param((i for i in ()), "result of load (type generator) cannot be stored", id="generator"),
    ],
)
def test_what_cannot_be_stored_is_named(store: ResultStore, value: object, message: str) -> None:
    with pytest.raises(ValueNotPortable) as refusal:
        write(store, value)

    assert message.replace(" → ", "") in str(refusal.value).replace(" → ", "")
    assert str(refusal.value).startswith("result of load (type ")


@pytest.mark.parametrize(
    ("serializer", "value", "message"),
    [
        ("json", [(1, 2)], r"cannot be stored as json: \[0\] is of type tuple"),
        ("json", {"a": {1: 2}}, r"\['a'\] has the key 1"),
        ("compressed/json", float("inf"), "it is inf, which JSON does not know"),
        ("arrow", [1], "it is no table of pandas or pyarrow"),
        ("arrow", pd.DataFrame({"o": [(1, 2)]}), "Arrow would change"),
    ],
)
def test_a_serializer_that_was_asked_for_refuses_what_it_would_change(
    store: ResultStore, serializer: str, value: object, message: str
) -> None:
    with pytest.raises(ValueNotPortable, match=message):
        write(ResultStore(store.url, signing_key=KEY, serializer=serializer), value)


@pytest.mark.parametrize("serializer", ["yaml", "compressed/yaml", object(), JSONSerializer])
def test_a_serializer_that_does_not_exist_is_refused(tmp_path: Path, serializer: Any) -> None:
    with pytest.raises(InvalidInput, match="serializer"):
        ResultStore(tmp_path, signing_key=KEY, serializer=serializer)


def test_a_url_with_a_password_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="holds a password") as refusal:
        ResultStore("sftp://me:secret@host/results", signing_key=KEY)

    assert "secret" not in str(refusal.value)


def test_a_url_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="cannot be at gopher://host"):
        write(ResultStore("gopher://host", signing_key=KEY), 1)


@pytest.mark.parametrize("url", ["file:///a/b", "/a/b", "/a/c/../b/"])
def test_a_local_folder_has_one_form(url: str) -> None:
    assert ResultStore(url, signing_key=KEY).url == "/a/b"


def test_results_stand_in_jupyters_data_folder() -> None:
    assert default_results_url() == f"{os.environ['JUPYTER_DATA_DIR']}/orchestra/results"


def test_a_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        ResultStore(tmp_path, signing_key=b"short")


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from orchestra_nb.engine.signing_key import load_signing_key; sys.stdin.readline(); "
        "print(load_signing_key(pathlib.Path(sys.argv[1])).hex())"
    )
    folder = tmp_path / "new" / "folder"
    command = [sys.executable, "-c", code, str(folder)]

    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {process.communicate("\n")[0].strip() for process in processes}

    assert keys == {load_signing_key(folder).hex()}
    assert [path.name for path in folder.iterdir()] == ["signing.key"]
    assert stat.S_IMODE((folder / "signing.key").stat().st_mode) == 0o600
    assert len(load_signing_key(folder)) == 32


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_signing_key(tmp_path)
    (tmp_path / "signing.key").chmod(0o644)

    with pytest.raises(InvalidSetting, match="Others may read the signing key"):
        load_signing_key(tmp_path)


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.key").touch(mode=0o600)

    with pytest.raises(InvalidSetting, match="holds no signing key"):
        load_signing_key(tmp_path)


def test_records_of_keys_in_a_folder(url: str, store: ResultStore) -> None:
    records, reference = CacheRecords(f"{url}/keys"), write(store, 1, expires_at=NOW + timedelta(hours=1))

    records.put("key/1", reference, task_name="load")

    assert CacheRecords(f"{url}/keys").find("key/1", NOW) == reference
    assert records.find("key/1", NOW + timedelta(hours=1)) is None
    assert records.find("key/2", NOW) is None
    records.forget("key/1")
    assert records.find("key/1", NOW) is None


def test_the_engine_loads_no_heavy_module_for_a_json_result() -> None:
    code = (
        "import sys, datetime; from orchestra_nb.engine.results import ResultStore; import tempfile; "
        "s = ResultStore(tempfile.mkdtemp(), signing_key=bytes(32)); n = datetime.datetime.now(datetime.UTC); "
        "s.read(s.write([1], name='x', now=n)); "
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'fsspec', 'dask', 'cloudpickle'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed == "[]\n"
