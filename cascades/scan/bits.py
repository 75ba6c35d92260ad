"""A stage of stumps over 32 windows side by side, written for the compiler as vectors: sums stay in registers.

Numba's own loops keep every sum in memory and test for overlap before each stump. These are LLVM's plain vectors, which
every processor has; nothing here is for one kind of machine, and no rounding is left to the compiler. What comes back
are bits, one for each window, so that who is left is counted and walked through by whole words.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 32
"""windows of a block"""
PLAIN, SIX_CORNERS, NINE_CORNERS = 0, 1, 2
"""how a stump's value is computed: by rectangles in float32, or in whole numbers from the corners that differ"""
_WIDTH = 8
_LONG, _BYTE, _PARTS = ir.IntType(64), ir.IntType(8), range(LANES // _WIDTH)
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), _WIDTH), ir.VectorType(ir.IntType(32), _WIDTH)
_ZEROS = ir.Constant(_FLOATS, [0.0] * _WIDTH)


@intrinsic  # type: ignore[untyped-decorator]
def passing_bits(
    _typing: Any,
    sums: Any,
    at: Any,
    corners: Any,
    forms: Any,
    numbers: Any,
    leaves: Any,
    first: Any,
    end: Any,
    norms: Any,
    threshold: Any,
    slack: Any,
) -> Any:
    """Which of the windows at places `at` to `at + 31` reach `threshold` with stumps `first` to `end`, summed in float32.

    The lower 32 bits say who does; the upper ones whose sum is within `slack` of it, so that rounding may have decided.
    corners: 12 offsets a stump, arranged by its form; numbers: three weights and the cut; leaves: left and right.
    """
    signature = types.uint64(
        sums, types.uint64, corners, forms, numbers, leaves, types.int64, types.int64, norms, types.float32,
        types.float32,
    )  # fmt: skip
    return signature, _passing


@intrinsic  # type: ignore[untyped-decorator]
def positive_bits(_typing: Any, numbers: Any, at: Any) -> Any:
    """Which of the 32 float32 numbers from `at` on are above zero."""
    return types.uint64(numbers, types.uint64), _positive


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(_typing: Any, bits: Any) -> Any:
    """The number of the lowest bit that is set; 64 where none is."""
    return types.uint64(types.uint64), lambda _c, builder, _s, arguments: builder.cttz(arguments[0], _flag())


@intrinsic  # type: ignore[untyped-decorator]
def bits_set(_typing: Any, bits: Any) -> Any:
    """How many bits are set."""
    return types.uint64(types.uint64), lambda _c, builder, _s, arguments: builder.ctpop(arguments[0])


class _Block:
    """Code for the windows of one block: loads, and stumps by form."""

    def __init__(self, builder: Any, sums: Any, at: Any, corners: Any, numbers: Any) -> None:
        self.builder, self.sums, self.at, self.corners, self.numbers = builder, sums, at, corners, numbers

    def number(self, base: Any, index: Any, plus: int) -> Any:
        return self.builder.load(self.builder.gep(base, [self.builder.add(index, ir.Constant(_LONG, plus))]))

    def corner(self, index: Any, plus: int) -> Any:
        offset = self.builder.zext(self.number(self.corners, index, plus), _LONG)
        return self.builder.gep(self.sums, [self.builder.add(self.at, offset)])

    def loads(self, stump: Any, count: int) -> list[list[Any]]:
        """The first corners of a stump, for each part of the block."""
        b = self.builder
        k = b.mul(stump, ir.Constant(_LONG, 12))
        bases = [self.corner(k, i) for i in range(count)]
        return [[_vector(b, base, part, _INTS) for base in bases] for part in _PARTS]

    def plain(self, stump: Any, values: list[Any]) -> None:
        """Sums of two or three weighted rectangles, in OpenCV's order."""
        b = self.builder
        r = b.mul(stump, ir.Constant(_LONG, 4))
        k = b.mul(stump, ir.Constant(_LONG, 12))

        def weighed(rectangle: int) -> list[Any]:
            weight = _splat(b, self.number(self.numbers, r, rectangle))
            bases = [self.corner(k, 4 * rectangle + i) for i in range(4)]
            results = []
            for part in _PARTS:
                p, q, s, t = (_vector(b, base, part, _INTS) for base in bases)
                results.append(b.fmul(weight, b.sitofp(b.sub(b.sub(p, q), b.sub(s, t)), _FLOATS)))
            return results

        for part, one, other in zip(_PARTS, weighed(0), weighed(1), strict=True):
            b.store(b.fadd(one, other), values[part])
        third = self.number(self.numbers, r, 2)
        with b.if_then(b.fcmp_unordered("!=", third, ir.Constant(ir.FloatType(), 0.0))):
            for part, one in zip(_PARTS, weighed(2), strict=True):
                b.store(b.fadd(b.load(values[part]), one), values[part])

    def six(self, stump: Any, values: list[Any]) -> None:
        """(first - second) + (third - fourth) + 2 * (fifth - sixth)."""
        b = self.builder
        for part, c in zip(_PARTS, self.loads(stump, 6), strict=True):
            twice = b.sub(c[4], c[5])
            once = b.add(b.sub(c[0], c[1]), b.sub(c[2], c[3]))
            b.store(b.sitofp(b.add(once, b.add(twice, twice)), _FLOATS), values[part])

    def nine(self, stump: Any, values: list[Any]) -> None:
        """Four corners + 4 * the fifth - 2 * the other four."""
        b = self.builder
        for part, c in zip(_PARTS, self.loads(stump, 9), strict=True):
            middle = b.sub(b.sub(c[4], c[5]), c[6])
            middle = b.sub(b.sub(b.add(middle, c[4]), c[7]), c[8])
            outer = b.add(b.add(c[0], c[1]), b.add(c[2], c[3]))
            b.store(b.sitofp(b.add(outer, b.add(middle, middle)), _FLOATS), values[part])


def _passing(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    sums, corners, forms, numbers, leaves, norms = (
        _data(context, builder, signature, arguments, i) for i in (0, 2, 3, 4, 5, 8)
    )
    at, first, end = arguments[1], arguments[6], arguments[7]
    block = _Block(builder, sums, at, corners, numbers)
    totals = [cgutils.alloca_once_value(builder, _ZEROS) for _ in _PARTS]
    values = [cgutils.alloca_once_value(builder, _ZEROS) for _ in _PARTS]
    for total in totals:  # the allocation is hoisted to the function's entry, a block comes by here many times
        builder.store(_ZEROS, total)
    norm_parts = [_vector(builder, builder.gep(norms, [at]), part, _FLOATS) for part in _PARTS]
    with cgutils.for_range(builder, end, start=first) as loop:
        form = builder.load(builder.gep(forms, [loop.index]))
        with builder.if_else(builder.icmp_signed("==", form, form.type(SIX_CORNERS))) as (yes, no):
            with yes:
                block.six(loop.index, values)
            with no, builder.if_else(builder.icmp_signed("==", form, form.type(NINE_CORNERS))) as (then, otherwise):
                with then:
                    block.nine(loop.index, values)
                with otherwise:
                    block.plain(loop.index, values)
        cut = _splat(builder, block.number(numbers, builder.mul(loop.index, ir.Constant(_LONG, 4)), 3))
        leaf = builder.mul(loop.index, ir.Constant(_LONG, 2))
        left, right = (_splat(builder, block.number(leaves, leaf, i)) for i in range(2))
        for part in _PARTS:
            value = builder.fmul(builder.load(values[part]), norm_parts[part])
            chosen = builder.select(builder.fcmp_ordered("<", value, cut), left, right)
            builder.store(builder.fadd(builder.load(totals[part]), chosen), totals[part])
    sums_of = [builder.load(total) for total in totals]
    threshold, slack = (_splat(builder, arguments[i]) for i in (9, 10))
    minus = builder.fsub(_ZEROS, slack)
    margins = [builder.fsub(score, threshold) for score in sums_of]
    passes = _word(builder, [builder.fcmp_ordered(">=", score, threshold) for score in sums_of])
    near = [builder.and_(builder.fcmp_ordered("<=", m, slack), builder.fcmp_ordered(">=", m, minus)) for m in margins]
    return builder.or_(passes, builder.shl(_word(builder, near), ir.Constant(_LONG, LANES)))


def _positive(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    base = builder.gep(_data(context, builder, signature, arguments, 0), [arguments[1]])
    return _word(builder, [builder.fcmp_ordered(">", _vector(builder, base, part, _FLOATS), _ZEROS) for part in _PARTS])


def _data(context: Any, builder: Any, signature: Any, arguments: Any, i: int) -> Any:
    return context.make_array(signature.args[i])(context, builder, arguments[i]).data


def _vector(builder: Any, base: Any, part: int, kind: Any) -> Any:
    pointer = builder.bitcast(builder.gep(base, [ir.Constant(_LONG, part * _WIDTH)]), kind.as_pointer())
    return builder.load(pointer, align=4)


def _word(builder: Any, truths: list[Any]) -> Any:
    """One bit for each window, from vectors of truths."""
    word = ir.Constant(_LONG, 0)
    for part, truth in enumerate(truths):
        byte = builder.zext(builder.bitcast(truth, _BYTE), _LONG)
        word = builder.or_(word, builder.shl(byte, ir.Constant(_LONG, part * _WIDTH)))
    return word


def _splat(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), _WIDTH), [0] * _WIDTH))


def _flag() -> Any:
    return ir.Constant(ir.IntType(1), 0)
