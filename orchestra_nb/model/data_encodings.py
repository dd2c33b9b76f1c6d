"""Numpy, pandas, pyarrow and pydantic values as encodings: by type and content, whatever their layout in memory.

None of these packages is imported here. Whoever has a value of theirs has loaded it, so it is in ``sys.modules``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import xxhash

from orchestra_nb.model.encodings import SCALARS, Encode, digest, of_buffer, of_text

Encoder = Callable[[Encode, Any], bytes]

#: Arrays that do not lie in memory in order are copied in pieces of this size.
_PIECE_BYTES = 8 * 1024 * 1024


def find_encoder(kind: type) -> Encoder | None:
    """Return what encodes values of a type, None when it is of none of these packages."""
    for package, types in _ENCODERS.items():
        module = sys.modules.get(package)
        if module is None:
            continue
        for name, is_exact, encoder in types:
            base = getattr(module, name, None)  # missing while another thread imports it
            if isinstance(base, type) and (kind is base if is_exact else issubclass(kind, base)):
                return encoder
    return None


def _of_array(encode: Encode, array: Any) -> bytes:
    return digest(b"array", [_of_dtype(encode, array.dtype), encode(array.shape), _of_elements(encode, array)])


def _of_elements(encode: Encode, array: Any) -> bytes:
    if array.dtype.hasobject or array.dtype.kind == "T":
        return encode(array.ravel().tolist())
    if array.size == 0:
        return b"0;"
    if array.flags.c_contiguous:
        return of_buffer(b"m", _bytes_of(array))
    state = xxhash.xxh3_128()
    for piece in _pieces(array):
        state.update(_bytes_of(piece))
    return b"m#" + state.digest()


def _bytes_of(array: Any) -> memoryview:
    numpy = sys.modules["numpy"]
    return memoryview(numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8))


def _pieces(array: Any) -> Iterator[Any]:
    if array.ndim == 0:
        yield array
        return
    rows = max(1, _PIECE_BYTES * len(array) // max(1, array.nbytes))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _of_dtype(encode: Encode, dtype: Any) -> bytes:
    if dtype.fields:
        fields = [(name, field[0], field[1]) for name, field in dtype.fields.items()]
        return digest(
            b"record",
            [encode([(name, offset) for name, _, offset in fields])]
            + [_of_dtype(encode, part) for _, part, _ in fields],
        )
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return digest(b"subarray", [_of_dtype(encode, base), encode(shape)])
    return of_text(dtype.str)


def _of_numpy_scalar(encode: Encode, value: Any) -> bytes:
    if value.dtype.hasobject:
        return digest(b"scalar", [_of_dtype(encode, value.dtype), encode(value.item())])
    return digest(b"scalar", [_of_dtype(encode, value.dtype), of_buffer(b"m", value.tobytes())])


def _of_masked_array(encode: Encode, array: Any) -> bytes:
    numpy = sys.modules["numpy"]
    mask = numpy.ma.getmaskarray(array)
    return digest(b"masked", [encode(array.filled()), encode(mask), encode(array.fill_value)])


def _of_frame(encode: Encode, frame: Any) -> bytes:
    parts = [_of_class(encode, frame, "DataFrame"), encode(frame.columns), encode(frame.index), encode(frame.attrs)]
    parts += (_of_column(encode, column.array) for _, column in frame.items())
    return digest(b"frame", parts)


def _of_series(encode: Encode, series: Any) -> bytes:
    parts = [_of_class(encode, series, "Series"), encode(series.name), encode(series.index), encode(series.attrs)]
    return digest(b"series", [*parts, _of_column(encode, series.array)])


def _of_index(encode: Encode, index: Any) -> bytes:
    pandas = sys.modules["pandas"]
    names = encode(list(index.names))
    if isinstance(index, pandas.RangeIndex):
        return digest(b"range index", [names, encode((index.start, index.stop, index.step))])
    if isinstance(index, pandas.MultiIndex):
        levels = (index.get_level_values(level) for level in range(index.nlevels))
        return digest(b"multi index", [names, *(_of_column(encode, level.array) for level in levels)])
    return digest(b"index", [names, _of_column(encode, index.array)])


def _of_class(encode: Encode, value: Any, name: str) -> bytes:
    """Encode that a value is of a class of pandas' own, or which one derived from it."""
    return b"-" if type(value) is getattr(sys.modules["pandas"], name) else encode(type(value))


def _of_column(encode: Encode, array: Any) -> bytes:
    """Encode one of pandas' arrays."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    arrays, dtype = pandas.arrays, of_text(str(array.dtype))
    if isinstance(array, pandas.Categorical):
        return digest(b"categories", [encode(array.codes), encode(array.categories), encode(array.ordered)])
    if isinstance(array, arrays.DatetimeArray | arrays.TimedeltaArray | arrays.PeriodArray):
        return digest(b"times", [dtype, encode(array.asi8)])
    if isinstance(array, arrays.IntervalArray):
        return digest(b"intervals", [dtype, *(_of_column(encode, side.array) for side in (array.left, array.right))])
    missing = numpy.asarray(array.isna())
    if isinstance(array.dtype, pandas.StringDtype):
        return digest(b"text", [dtype, encode(missing), *_of_texts(encode, array, missing)])
    if isinstance(array, arrays.NumpyExtensionArray):
        return encode(array.to_numpy())
    if isinstance(array, arrays.IntegerArray | arrays.FloatingArray | arrays.BooleanArray):
        present = array[~missing].to_numpy(dtype=array.dtype.numpy_dtype)
        return digest(b"nullable", [dtype, encode(missing), encode(present)])
    if isinstance(array, arrays.ArrowExtensionArray):
        return digest(b"arrow column", [dtype, _of_chunks(encode, array.__arrow_array__())])
    return digest(b"extension", [dtype, encode(numpy.asarray(array, dtype=object))])


def _of_texts(encode: Encode, array: Any, missing: Any) -> Iterator[bytes]:
    """Encode a column of text in one way, whether pyarrow holds it or Python does."""
    numpy, pyarrow = sys.modules["numpy"], sys.modules.get("pyarrow")
    if array.dtype.storage == "pyarrow" and pyarrow is not None:
        column = array.__arrow_array__().cast(pyarrow.large_string()).drop_null()
        if isinstance(column, pyarrow.ChunkedArray):
            column = column.combine_chunks()
        yield from _of_variable_width(encode, column)
    else:
        texts = [str(text).encode("utf-8", "surrogatepass") for text in array[~missing]]
        yield _of_elements(encode, numpy.array([len(text) for text in texts], dtype=numpy.int64))
        yield of_buffer(b"b", memoryview(b"".join(texts)))


def _of_arrow_table(encode: Encode, table: Any) -> bytes:
    schema = [of_text(str(field)) + encode(field.metadata) for field in table.schema]
    columns = (_of_chunks(encode, column) for column in table.columns)
    return digest(type(table).__name__.encode(), [encode(table.schema.metadata), *schema, *columns])


def _of_chunks(encode: Encode, column: Any) -> bytes:
    """Encode an arrow array, however it is cut into chunks."""
    pyarrow = sys.modules["pyarrow"]
    if isinstance(column, pyarrow.ChunkedArray):
        chunks = column.chunks
        column = chunks[0] if len(chunks) == 1 else column.combine_chunks()
        if isinstance(column, pyarrow.ChunkedArray):  # it did not fit into one
            return digest(b"chunks", [of_text(str(column.type)), encode(column.to_pylist())])
    return digest(b"arrow", [of_text(str(column.type)), *_of_arrow(encode, column)])


def _of_arrow(encode: Encode, array: Any) -> Iterator[bytes]:
    """Yield the encodings of an arrow array's parts: where values are missing, and those that are there.

    What lies in memory under a missing value is anything, and so are the bits before and after a slice.
    """
    pyarrow = sys.modules["pyarrow"]
    kinds = pyarrow.types
    yield SCALARS[int](len(array))
    if array.null_count:
        yield _of_elements(encode, array.is_null().to_numpy(zero_copy_only=False))
        array = array.drop_null()
    kind = array.type
    if kinds.is_null(kind) or len(array) == 0:
        return
    if kinds.is_boolean(kind):
        yield _of_elements(encode, array.to_numpy(zero_copy_only=False))
    elif kinds.is_string(kind) or kinds.is_binary(kind) or kinds.is_large_string(kind) or kinds.is_large_binary(kind):
        yield from _of_variable_width(encode, array)
    elif kinds.is_list(kind) or kinds.is_large_list(kind):
        yield from _of_arrow(encode, array.value_lengths())
        yield from _of_arrow(encode, array.flatten())
    elif kinds.is_struct(kind):
        for part in array.flatten():
            yield from _of_arrow(encode, part)
    elif kinds.is_dictionary(kind):
        yield from _of_arrow(encode, array.dictionary_decode())
    elif kinds.is_primitive(kind) or kinds.is_decimal(kind) or kinds.is_fixed_size_binary(kind):
        width = kind.bit_width // 8
        buffer = memoryview(array.buffers()[1])
        yield of_buffer(b"m", buffer[array.offset * width : (array.offset + len(array)) * width])
    else:
        yield encode(array.to_pylist())


def _of_variable_width(encode: Encode, array: Any) -> Iterator[bytes]:
    numpy, kinds = sys.modules["numpy"], sys.modules["pyarrow"].types
    is_large = kinds.is_large_string(array.type) or kinds.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    offsets = numpy.frombuffer(offsets, dtype=numpy.int64 if is_large else numpy.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    yield _of_elements(encode, numpy.diff(offsets).astype(numpy.int64))
    yield of_buffer(b"b", memoryview(data or b"")[int(offsets[0]) : int(offsets[-1])])


def _of_arrow_array(encode: Encode, array: Any) -> bytes:
    return digest(type(array).__name__.encode(), [_of_chunks(encode, array)])


def _of_arrow_type(encode: Encode, value: Any) -> bytes:
    return digest(b"arrow type", [of_text(str(value)), encode(getattr(value, "metadata", None))])


def _of_model(encode: Encode, model: Any) -> bytes:
    parts: list[object] = [type(model), model.__dict__]
    # which fields were set and which are defaults does not count
    parts += [getattr(model, name, None) or {} for name in ("__pydantic_extra__", "__pydantic_private__")]
    return digest(b"model", map(encode, parts))


#: Package to (class, whether derived classes are left to others, encoder).
_ENCODERS: dict[str, tuple[tuple[str, bool, Encoder], ...]] = {
    "numpy": (
        ("ndarray", True, _of_array),
        ("memmap", True, _of_array),
        ("generic", False, _of_numpy_scalar),
        ("dtype", False, lambda encode, dtype: digest(b"dtype", [_of_dtype(encode, dtype)])),
    ),
    "numpy.ma": (("MaskedArray", True, _of_masked_array),),
    "pandas": (("DataFrame", False, _of_frame), ("Series", False, _of_series), ("Index", False, _of_index)),
    "pandas.api.extensions": (
        ("ExtensionArray", False, lambda encode, array: digest(b"column", [_of_column(encode, array)])),
    ),
    "pyarrow": (
        ("Table", True, _of_arrow_table),
        ("RecordBatch", True, _of_arrow_table),
        ("ChunkedArray", True, _of_arrow_array),
        ("Array", False, _of_arrow_array),
        ("Schema", False, _of_arrow_type),
        ("Field", False, _of_arrow_type),
        ("DataType", False, _of_arrow_type),
    ),
    "pydantic": (("BaseModel", False, _of_model),),
}
