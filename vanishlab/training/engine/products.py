"""Products of matrices for the compiled passes: numpy's BLAS, and where that is slow a small kernel of our own.

BLAS libraries are made for large matrices. At the sizes of these networks they leave room on a processor with 512-bit
vectors, where `_tile` multiplies 8 rows by 32 columns with every sum in a register. It is used in float32, for up to
128 columns in whole vectors, or 256; everything else is `np.dot`.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

_LANES = 16  # float32 in a vector
_ROWS, _VECTORS = 8, 2  # of a tile: with those of b and one of a, the sums fit into 32 registers
# Columns, beyond which tiles that are not copied together fall out of the first cache: 32 KiB of it were measured on
# Zen 4 and 48 on Zen 5, where 256 columns take .7 of `np.dot`'s time.
_WIDEST = 256 if llvmlite.binding.get_host_cpu_name() == "znver5" else 128
_BYTES = 4

_compiled = njit(error_model="numpy")


def _tile_of(rows: int, vectors: int) -> Any:
    """Return the function that multiplies `rows` rows of a by so many vectors of columns of b, by addresses."""

    @intrinsic
    def tile(
        typing_context: Any, a: Any, row: Any, column: Any, depth: Any, b: Any, b_row: Any, out: Any, out_row: Any
    ) -> Any:
        def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            a, row, column, depth, b, b_row, out, out_row = arguments
            word, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), _LANES)
            indices = ir.VectorType(ir.IntType(32), _LANES)
            name = f"llvm.fma.v{_LANES}f32"
            fma = builder.module.globals.get(name) or ir.Function(
                builder.module, ir.FunctionType(vector, [vector] * 3), name
            )

            def at(address: Any, kind: Any) -> Any:
                return builder.inttoptr(address, kind.as_pointer())

            def load(address: Any, kind: Any) -> Any:
                return builder.load(at(address, kind), align=_BYTES)

            def spread(value: Any) -> Any:
                first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), ir.Constant(indices, None))

            def phi(kind: Any, start: Any) -> Any:
                value = builder.phi(kind)
                value.add_incoming(start, entry)
                return value

            entry = builder.block
            loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
            builder.branch(loop)
            builder.position_at_end(loop)
            count = phi(word, depth)
            a_now, b_now = phi(word, a), phi(word, b)
            sums = [[phi(vector, ir.Constant(vector, None)) for _ in range(vectors)] for _ in range(rows)]
            columns = [load(builder.add(b_now, word(_BYTES * _LANES * place)), vector) for place in range(vectors)]
            address, added = a_now, []
            for own in sums:
                factor = spread(load(address, ir.FloatType()))
                added.append(
                    [builder.call(fma, [factor, each, so_far]) for each, so_far in zip(columns, own, strict=True)]
                )
                address = builder.add(address, row)
            left = builder.sub(count, word(1))
            moved = ((count, left), (a_now, builder.add(a_now, column)), (b_now, builder.add(b_now, b_row)))
            for value, following in moved:
                value.add_incoming(following, loop)
            for own, new in zip(sums, added, strict=True):
                for value, following in zip(own, new, strict=True):
                    value.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed(">", left, word(0)), loop, end)
            builder.position_at_end(end)
            address = out
            for own in added:
                for place, value in enumerate(own):
                    builder.store(value, at(builder.add(address, word(_BYTES * _LANES * place)), vector), align=_BYTES)
                address = builder.add(address, out_row)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 8), build

    return tile


_tile, _narrow, _low, _least = (_tile_of(*shape) for shape in ((_ROWS, _VECTORS), (_ROWS, 1), (1, _VECTORS), (1, 1)))


def _fits(b: Any) -> bool:
    """Whether our own kernel is the one for `b` (depth, column)."""
    raise NotImplementedError


@overload(_fits, strict=False)
def _fits_here(b: Any) -> Callable[..., bool]:
    if b.dtype == types.float32 and llvmlite.binding.get_host_cpu_features().get("avx512f"):
        return lambda b: b.shape[1] % _LANES == 0 and b.shape[1] <= _WIDEST
    return lambda b: False


@_compiled
def _by_tiles(a: int, row: int, column: int, rows: int, b: np.ndarray, out: np.ndarray) -> None:
    """Write a b into `out`; a (row, depth) is given by its address and by its strides in bytes."""
    depth, width = b.shape
    line = _BYTES * width
    whole = rows // _ROWS * _ROWS
    for start in range(0, width, _LANES * _VECTORS):
        b_at, out_at = b.ctypes.data + _BYTES * start, out.ctypes.data + _BYTES * start
        if start + _LANES * _VECTORS <= width:
            for i in range(0, whole, _ROWS):
                _tile(a + i * row, row, column, depth, b_at, line, out_at + i * line, line)
            for i in range(whole, rows):
                _low(a + i * row, row, column, depth, b_at, line, out_at + i * line, line)
        else:
            for i in range(0, whole, _ROWS):
                _narrow(a + i * row, row, column, depth, b_at, line, out_at + i * line, line)
            for i in range(whole, rows):
                _least(a + i * row, row, column, depth, b_at, line, out_at + i * line, line)


@_compiled
def multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write a b into `out`; all are contiguous, of float32 or float64."""
    if _fits(b):
        _by_tiles(a.ctypes.data, _BYTES * a.shape[1], _BYTES, a.shape[0], b, out)
    else:
        np.dot(a, b, out)


@_compiled
def multiply_turned(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write a^T b into `out`."""
    if _fits(b):
        _by_tiles(a.ctypes.data, _BYTES, _BYTES * a.shape[1], a.shape[1], b, out)
    else:
        np.dot(a.T, b, out)


@_compiled
def multiply_by_turned(a: np.ndarray, b: np.ndarray, turned: np.ndarray, out: np.ndarray) -> None:
    """Write a b^T into `out`; `turned` (entry,) is room for b^T."""
    rows, width = b.shape
    b_turned = turned[: b.size].reshape((width, rows))
    if _fits(b_turned):
        for i in range(rows):
            for j in range(width):
                b_turned[j, i] = b[i, j]
        _by_tiles(a.ctypes.data, _BYTES * a.shape[1], _BYTES, a.shape[0], b_turned, out)
    else:
        np.dot(a, b.T, out)
