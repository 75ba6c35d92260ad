"""Stumps over 32 windows side by side, written for the compiler as vectors: sums stay in registers for a whole stage.

Numba's own loops keep every sum in memory and test for overlap before each stump. These are LLVM's plain vectors, which
every processor has; nothing here is for one kind of machine, and no rounding is left to the compiler.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 32
"""windows of a block"""
_WIDTH = 8
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), _WIDTH), ir.VectorType(ir.IntType(32), _WIDTH)


@intrinsic  # type: ignore[untyped-decorator]
def sum_stumps(
    _typing: Any,
    sums: Any,
    at: Any,
    corners: Any,
    numbers: Any,
    leaves: Any,
    first: Any,
    end: Any,
    norms: Any,
    scores: Any,
) -> Any:
    """Fills `scores[:32]` with the float32 sums of stumps `first` to `end` for the windows at places `at` to `at + 31`.

    corners: 12 offsets a stump; numbers: three weights and the cut; leaves: left and right.
    """
    signature = types.void(sums, types.uint64, corners, numbers, leaves, types.int64, types.int64, norms, scores)
    return signature, _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    def data(i: int) -> Any:
        return context.make_array(signature.args[i])(context, builder, arguments[i]).data

    sums, corners, numbers, leaves, norms, scores = (data(i) for i in (0, 2, 3, 4, 7, 8))
    at, parts = arguments[1], range(LANES // _WIDTH)
    shifts = [ir.Constant(ir.IntType(64), part * _WIDTH) for part in parts]

    def vector(base: Any, part: int, kind: Any) -> Any:
        pointer = builder.bitcast(builder.gep(base, [shifts[part]]), kind.as_pointer())
        return builder.load(pointer, align=4)

    def number(base: Any, index: Any, plus: int) -> Any:
        return builder.load(builder.gep(base, [builder.add(index, ir.Constant(ir.IntType(64), plus))]))

    totals = [cgutils.alloca_once_value(builder, ir.Constant(_FLOATS, [0.0] * _WIDTH)) for _ in parts]
    values = [cgutils.alloca_once_value(builder, ir.Constant(_FLOATS, [0.0] * _WIDTH)) for _ in parts]
    for total in totals:  # the allocation is hoisted to the function's entry, a block comes by here many times
        builder.store(ir.Constant(_FLOATS, [0.0] * _WIDTH), total)
    norm_parts = [vector(builder.gep(norms, [at]), part, _FLOATS) for part in parts]
    with cgutils.for_range(builder, arguments[6], start=arguments[5]) as loop:
        k = builder.mul(loop.index, ir.Constant(ir.IntType(64), 12))
        r = builder.mul(loop.index, ir.Constant(ir.IntType(64), 4))
        leaf = builder.mul(loop.index, ir.Constant(ir.IntType(64), 2))

        def weighed(rectangle: int) -> list[Any]:
            weight = _splat(builder, number(numbers, r, rectangle))
            bases = [builder.gep(sums, [builder.add(at, number(corners, k, 4 * rectangle + i))]) for i in range(4)]
            results = []
            for part in parts:
                a, b, c, d = (vector(base, part, _INTS) for base in bases)
                results.append(
                    builder.fmul(weight, builder.sitofp(builder.sub(builder.sub(a, b), builder.sub(c, d)), _FLOATS))
                )
            return results

        for part, one, other in zip(parts, weighed(0), weighed(1), strict=True):
            builder.store(builder.fadd(one, other), values[part])
        third = number(numbers, r, 2)
        with builder.if_then(builder.fcmp_unordered("!=", third, ir.Constant(ir.FloatType(), 0.0))):
            for part, one in zip(parts, weighed(2), strict=True):
                builder.store(builder.fadd(builder.load(values[part]), one), values[part])
        cut = _splat(builder, number(numbers, r, 3))
        left, right = (_splat(builder, number(leaves, leaf, i)) for i in range(2))
        for part in parts:
            value = builder.fmul(builder.load(values[part]), norm_parts[part])
            chosen = builder.select(builder.fcmp_ordered("<", value, cut), left, right)
            builder.store(builder.fadd(builder.load(totals[part]), chosen), totals[part])
    for part in parts:
        pointer = builder.bitcast(builder.gep(scores, [shifts[part]]), _FLOATS.as_pointer())
        builder.store(builder.load(totals[part]), pointer, align=4)
    return context.get_dummy_value()


def _splat(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), _WIDTH), [0] * _WIDTH))


NO_MASK = np.zeros(0, dtype=np.uint8)
"""all windows are wanted"""
