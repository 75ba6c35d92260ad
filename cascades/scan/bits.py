"""A stage over 32 windows side by side, written for the compiler as vectors: sums stay in registers.

Numba's own loops keep every sum in memory and test for overlap before each stump. These are LLVM's plain vectors, which
every processor has; nothing here is for one kind of machine, and no rounding is left to the compiler. What comes back
are bits, one for each window, so that who is left is counted and walked through by whole words.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 32
"""windows of a block"""
PLAIN, SIX_CORNERS, NINE_CORNERS = 0, 1, 2
"""how a node's value is computed: by rectangles in float32, or in whole numbers from the corners that differ"""
HAAR_CORNERS, LBP_CORNERS = 12, 16
"""offsets of a node"""
CODES = 256
"""entries of a tree's look-up table from a code to a leaf's value"""
_WIDTH = 8
_LONG, _WORD, _BYTE, _PARTS = ir.IntType(64), ir.IntType(32), ir.IntType(8), range(LANES // _WIDTH)
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), _WIDTH), ir.VectorType(_WORD, _WIDTH)
_ZEROS, _NO_CODE = ir.Constant(_FLOATS, [0.0] * _WIDTH), ir.Constant(_INTS, [0] * _WIDTH)
_AROUND = ((0, 0, 7), (0, 1, 6), (0, 2, 5), (1, 2, 4), (2, 2, 3), (2, 1, 2), (2, 0, 1), (1, 0, 0))
"""row and column of the blocks around an LBP feature's middle, and the bit each sets"""


@intrinsic  # type: ignore[untyped-decorator]
def stump_bits(
    _typing: Any, tables: Any, sums: Any, at: Any, norms: Any, norm_at: Any, first: Any, end: Any, threshold: Any,
    slack: Any,
) -> Any:  # fmt: skip
    """Which of the windows at places `at` to `at + 31` reach `threshold` with trees `first` to `end`, summed in float32.

    The lower 32 bits say who does; the upper ones whose sum is within `slack` of it, so that rounding may have decided.
    Here trees are Haar stumps.
    """
    return _signature(tables, sums, norms), _coded(_Stumps)


@intrinsic  # type: ignore[untyped-decorator]
def tree_bits(
    _typing: Any, tables: Any, sums: Any, at: Any, norms: Any, norm_at: Any, first: Any, end: Any, threshold: Any,
    slack: Any,
) -> Any:  # fmt: skip
    """As `stump_bits`, for Haar trees of up to eight nodes: all of them are looked at, and the leaf by a table."""
    return _signature(tables, sums, norms), _coded(_Trees)


@intrinsic  # type: ignore[untyped-decorator]
def pattern_bits(
    _typing: Any, tables: Any, sums: Any, at: Any, norms: Any, norm_at: Any, first: Any, end: Any, threshold: Any,
    slack: Any,
) -> Any:  # fmt: skip
    """As `stump_bits`, for LBP stumps; norms are not looked at."""
    return _signature(tables, sums, norms), _coded(_Patterns)


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


class _Trees:
    """Code for the windows of one block: what a tree gives each of them."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder, self.at = builder, arguments[2]
        tables = signature.args[0]
        self.tables = {
            name: context.make_array(kind)(context, builder, builder.extract_value(arguments[0], i)).data
            for i, (name, kind) in enumerate(zip(tables.fields, tables.types, strict=True))
            if isinstance(kind, types.Array)
        }
        self.sums, norms = (_data(context, builder, signature, arguments, i) for i in (1, 3))
        self.norms = [_vector(builder, builder.gep(norms, [arguments[4]]), part, _FLOATS) for part in _PARTS]
        self.values = [cgutils.alloca_once_value(builder, _ZEROS) for _ in _PARTS]
        self.codes = [cgutils.alloca_once_value(builder, _NO_CODE) for _ in _PARTS]

    def leaves(self, tree: Any) -> list[Any]:
        """The value of the leaf that each window comes to."""
        b = self.builder
        for codes in self.codes:
            b.store(_NO_CODE, codes)
        first, end = self.number("roots", tree), self.number("roots", b.add(tree, ir.Constant(_LONG, 1)))
        first, end = b.zext(first, _LONG), b.zext(end, _LONG)
        with cgutils.for_range(b, end, start=first) as loop:
            bit = b.shl(ir.Constant(_WORD, 1), b.trunc(b.sub(loop.index, first), _WORD))
            bits = _splat(b, bit)
            for codes, left in zip(self.codes, self.goes_left(loop.index), strict=True):
                b.store(b.or_(b.load(codes), b.select(left, bits, _NO_CODE)), codes)
        return self.looked_up(tree, [b.load(codes) for codes in self.codes])

    def looked_up(self, tree: Any, codes: list[Any]) -> list[Any]:
        """Of each window's code what the tree's table has for it."""
        b, results = self.builder, []
        table = b.gep(self.tables["table"], [b.mul(tree, ir.Constant(_LONG, CODES))])
        for part in codes:
            result = ir.Constant(_FLOATS, ir.Undefined)
            for i in range(_WIDTH):
                lane = ir.Constant(_WORD, i)
                value = b.load(b.gep(table, [b.zext(b.extract_element(part, lane), _LONG)]))
                result = b.insert_element(result, value, lane)
            results.append(result)
        return results

    def goes_left(self, node: Any) -> list[Any]:
        """Which windows go left at a Haar node, for each part of the block."""
        b = self.builder
        form = self.number("forms", node)
        with b.if_else(b.icmp_signed("==", form, form.type(SIX_CORNERS))) as (yes, no):
            with yes:
                self._six(node)
            with no, b.if_else(b.icmp_signed("==", form, form.type(NINE_CORNERS))) as (then, otherwise):
                with then:
                    self._nine(node)
                with otherwise:
                    self._plain(node)
        cut = _splat(b, self.number("numbers", b.mul(node, ir.Constant(_LONG, 4)), 3))
        scaled = [b.fmul(b.load(value), norm) for value, norm in zip(self.values, self.norms, strict=True)]
        return [b.fcmp_ordered("<", value, cut) for value in scaled]

    def number(self, table: str, index: Any, plus: int = 0) -> Any:
        b = self.builder
        return b.load(b.gep(self.tables[table], [b.add(index, ir.Constant(_LONG, plus))]))

    def loads(self, node: Any, which: range, per_node: int = HAAR_CORNERS) -> list[list[Any]]:
        """Some corners of a node, for each part of the block."""
        b = self.builder
        k = b.mul(node, ir.Constant(_LONG, per_node))
        offsets = [b.zext(self.number("corners", k, i), _LONG) for i in which]
        bases = [b.gep(self.sums, [b.add(self.at, offset)]) for offset in offsets]
        return [[_vector(b, base, part, _INTS) for base in bases] for part in _PARTS]

    def _plain(self, node: Any) -> None:
        """Sums of two or three weighted rectangles, in OpenCV's order."""
        b = self.builder
        r = b.mul(node, ir.Constant(_LONG, 4))

        def weighed(rectangle: int) -> list[Any]:
            weight = _splat(b, self.number("numbers", r, rectangle))
            corners = self.loads(node, range(4 * rectangle, 4 * rectangle + 4))
            return [b.fmul(weight, b.sitofp(b.sub(b.sub(p, q), b.sub(s, t)), _FLOATS)) for p, q, s, t in corners]

        for value, one, other in zip(self.values, weighed(0), weighed(1), strict=True):
            b.store(b.fadd(one, other), value)
        third = self.number("numbers", r, 2)
        with b.if_then(b.fcmp_unordered("!=", third, ir.Constant(ir.FloatType(), 0.0))):
            for value, one in zip(self.values, weighed(2), strict=True):
                b.store(b.fadd(b.load(value), one), value)

    def _six(self, node: Any) -> None:
        """(first - second) + (third - fourth) + 2 * (fifth - sixth)."""
        b = self.builder
        for value, c in zip(self.values, self.loads(node, range(6)), strict=True):
            twice = b.sub(c[4], c[5])
            once = b.add(b.sub(c[0], c[1]), b.sub(c[2], c[3]))
            b.store(b.sitofp(b.add(once, b.add(twice, twice)), _FLOATS), value)

    def _nine(self, node: Any) -> None:
        """Four corners + 4 * the fifth - 2 * the other four."""
        b = self.builder
        for value, c in zip(self.values, self.loads(node, range(9)), strict=True):
            middle = b.sub(b.sub(c[4], c[5]), c[6])
            middle = b.sub(b.sub(b.add(middle, c[4]), c[7]), c[8])
            outer = b.add(b.add(c[0], c[1]), b.add(c[2], c[3]))
            b.store(b.sitofp(b.add(outer, b.add(middle, middle)), _FLOATS), value)


class _Stumps(_Trees):
    def leaves(self, tree: Any) -> list[Any]:
        leaf = self.builder.mul(tree, ir.Constant(_LONG, 2))
        left, right = (_splat(self.builder, self.number("leaves", leaf, i)) for i in range(2))
        return [self.builder.select(is_left, left, right) for is_left in self.goes_left(tree)]


class _Patterns(_Trees):
    def leaves(self, tree: Any) -> list[Any]:
        return self.looked_up(tree, [self._code(c) for c in self.loads(tree, range(LBP_CORNERS), LBP_CORNERS)])

    def _code(self, corners: list[Any]) -> Any:
        b = self.builder

        def block(row: int, column: int) -> Any:
            k = 4 * row + column
            return b.sub(b.sub(corners[k], corners[k + 1]), b.sub(corners[k + 4], corners[k + 5]))

        middle, code = block(1, 1), _NO_CODE
        for row, column, bit in _AROUND:
            is_more = b.icmp_signed(">=", block(row, column), middle)
            code = b.or_(code, b.select(is_more, ir.Constant(_INTS, [1 << bit] * _WIDTH), _NO_CODE))
        return code


def _signature(tables: Any, sums: Any, norms: Any) -> Any:
    return types.uint64(
        tables, sums, types.uint64, norms, types.uint64, types.int64, types.int64, types.float32, types.float32
    )


def _coded(trees: type[_Trees]) -> Callable[..., Any]:
    """The code of a stage of such trees."""

    def passing(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = trees(context, builder, signature, arguments)
        totals = [cgutils.alloca_once_value(builder, _ZEROS) for _ in _PARTS]
        for total in totals:  # the allocation is hoisted to the function's entry, a block comes by here many times
            builder.store(_ZEROS, total)
        with cgutils.for_range(builder, arguments[6], start=arguments[5]) as loop:
            for total, leaf in zip(totals, block.leaves(loop.index), strict=True):
                builder.store(builder.fadd(builder.load(total), leaf), total)
        scores = [builder.load(total) for total in totals]
        threshold, slack = (_splat(builder, arguments[i]) for i in (7, 8))
        minus = builder.fsub(_ZEROS, slack)
        passes = _word(builder, [builder.fcmp_ordered(">=", score, threshold) for score in scores])
        near = []
        for margin in [builder.fsub(score, threshold) for score in scores]:
            low, high = builder.fcmp_ordered(">=", margin, minus), builder.fcmp_ordered("<=", margin, slack)
            near.append(builder.and_(low, high))
        return builder.or_(passes, builder.shl(_word(builder, near), ir.Constant(_LONG, LANES)))

    return passing


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
    vector = ir.VectorType(value.type, _WIDTH)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(_INTS, [0] * _WIDTH))


def _flag() -> Any:
    return ir.Constant(ir.IntType(1), 0)
