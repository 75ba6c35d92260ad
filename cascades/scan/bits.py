"""A stage over a block of 32 windows side by side, or a pack of 8 from anywhere, written for the compiler as vectors.

Sums stay in registers: Numba's own loops keep every one in memory and test for overlap before each stump. These are LLVM's
plain vectors, which every processor has; nothing here is for one kind of machine, and no rounding is left to the compiler.
A block loads each corner of its windows as vectors; a pack adds the corners up window by window, and only the sums become
a vector. What comes back are bits, one for each window, so that who is left is counted and walked through by whole words.
"""

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 32
"""windows of a block"""
PACK = 8
"""windows of a pack"""
PACK_ROW = 2 * PACK
"""room for windows that wait until they are a pack"""
PLAIN, SIX_CORNERS, NINE_CORNERS = 0, 1, 2
"""how a node's value is computed: by rectangles in float32, or in whole numbers from the corners that differ"""
HAAR_CORNERS, LBP_CORNERS = 12, 16
"""offsets of a node"""
CODES = 256
"""entries of a tree's look-up table from a code to a leaf's value"""
_WIDTH = 8
_LONG, _WORD, _BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
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

    Where `at` is an array, a pack: from its `norm_at` on stand 8 places, and `PACK_ROW` further their numbers among the norms.
    The lower 32 bits say who does; the upper ones whose sum is within `slack` of it, so that rounding may have decided.
    Here trees are Haar stumps.
    """
    return _signature(tables, sums, at, norms), _coded(_Stumps)


@intrinsic  # type: ignore[untyped-decorator]
def tree_bits(
    _typing: Any, tables: Any, sums: Any, at: Any, norms: Any, norm_at: Any, first: Any, end: Any, threshold: Any,
    slack: Any,
) -> Any:  # fmt: skip
    """As `stump_bits`, for Haar trees of up to eight nodes: all of them are looked at, and the leaf by a table."""
    return _signature(tables, sums, at, norms), _coded(_Trees)


@intrinsic  # type: ignore[untyped-decorator]
def pattern_bits(
    _typing: Any, tables: Any, sums: Any, at: Any, norms: Any, norm_at: Any, first: Any, end: Any, threshold: Any,
    slack: Any,
) -> Any:  # fmt: skip
    """As `stump_bits`, for LBP stumps; norms are not looked at."""
    return _signature(tables, sums, at, norms), _coded(_Patterns)


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
    """Code that reads the numbers of 32 windows side by side: four vectors of them."""

    def __init__(self, builder: Any, sums: Any, at: Any, norms: Any, norm_at: Any) -> None:
        self.builder, self.sums, self.at = builder, sums, at
        base = builder.gep(norms, [norm_at])
        self.norms = [_vector(builder, base, part, _FLOATS) for part in range(LANES // _WIDTH)]

    def corners(self, offsets: list[Any]) -> Iterator[list[Any]]:
        """The sums that far from the windows' places, one part of the windows after the other: here vectors."""
        bases = [self.builder.gep(self.sums, [self.builder.add(self.at, offset)]) for offset in offsets]
        for part in range(LANES // _WIDTH):
            yield [_vector(self.builder, base, part, _INTS) for base in bases]

    def joined(self, parts: list[Any]) -> list[Any]:
        """Whole numbers computed from corners, as vectors."""
        return parts


class _Pack:
    """Code that reads the numbers of 8 windows anywhere: one by one, joined to a vector when they are added up."""

    def __init__(self, builder: Any, sums: Any, waiting: Any, norms: Any, at: Any) -> None:
        self.builder = builder
        self.places = [builder.gep(sums, [self._entry(waiting, at, lane)]) for lane in range(PACK)]
        numbers = [self._entry(waiting, at, PACK_ROW + lane) for lane in range(PACK)]
        self.norms = [self._vector([builder.load(builder.gep(norms, [number])) for number in numbers], _FLOATS)]

    def corners(self, offsets: list[Any]) -> Iterator[list[Any]]:
        """The sums that far from the windows' places, one part of the windows after the other: here numbers."""
        for place in self.places:
            yield [self.builder.load(self.builder.gep(place, [offset])) for offset in offsets]

    def joined(self, parts: list[Any]) -> list[Any]:
        """Whole numbers computed from corners, as vectors."""
        return [self._vector(parts, _INTS)]

    def _entry(self, waiting: Any, at: Any, further: int) -> Any:
        b = self.builder
        return b.load(b.gep(waiting, [b.add(at, ir.Constant(_LONG, further))]))

    def _vector(self, lanes: list[Any], kind: Any) -> Any:
        result = ir.Constant(kind, ir.Undefined)
        for i, lane in enumerate(lanes):
            result = self.builder.insert_element(result, lane, ir.Constant(_WORD, i))
        return result


class _Trees:
    """Code for the windows of one block or pack: what a tree gives each of them."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        tables = signature.args[0]
        self.tables = {
            name: context.make_array(kind)(context, builder, builder.extract_value(arguments[0], i)).data
            for i, (name, kind) in enumerate(zip(tables.fields, tables.types, strict=True))
            if isinstance(kind, types.Array)
        }
        sums, norms = (_data(context, builder, signature, arguments, i) for i in (1, 3))
        self.windows: _Block | _Pack
        if isinstance(signature.args[2], types.Array):
            waiting = _data(context, builder, signature, arguments, 2)
            self.windows = _Pack(builder, sums, waiting, norms, arguments[4])
        else:
            self.windows = _Block(builder, sums, arguments[2], norms, arguments[4])
        self.values = [cgutils.alloca_once_value(builder, _ZEROS) for _ in self.windows.norms]
        self.codes = [cgutils.alloca_once_value(builder, _NO_CODE) for _ in self.windows.norms]

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
        scaled = [b.fmul(b.load(value), norm) for value, norm in zip(self.values, self.windows.norms, strict=True)]
        return [b.fcmp_ordered("<", value, cut) for value in scaled]

    def number(self, table: str, index: Any, plus: int = 0) -> Any:
        b = self.builder
        return b.load(b.gep(self.tables[table], [b.add(index, ir.Constant(_LONG, plus))]))

    def loads(self, node: Any, which: range, per_node: int = HAAR_CORNERS) -> Iterator[list[Any]]:
        """Some corners of a node, part by part: each is to be used up before the next is loaded, or registers run out."""
        b = self.builder
        k = b.mul(node, ir.Constant(_LONG, per_node))
        return self.windows.corners([b.zext(self.number("corners", k, i), _LONG) for i in which])

    def floats(self, parts: list[Any]) -> list[Any]:
        """Whole numbers computed from corners, as vectors of float32."""
        return [self.builder.sitofp(joined, _FLOATS) for joined in self.windows.joined(parts)]

    def keep(self, values: list[Any]) -> None:
        for place, value in zip(self.values, values, strict=True):
            self.builder.store(value, place)

    def _plain(self, node: Any) -> None:
        """Sums of two or three weighted rectangles, in OpenCV's order."""
        b = self.builder
        r = b.mul(node, ir.Constant(_LONG, 4))

        def weighed(rectangle: int) -> list[Any]:
            weight = _splat(b, self.number("numbers", r, rectangle))
            corners = self.loads(node, range(4 * rectangle, 4 * rectangle + 4))
            sums = self.floats([b.sub(b.sub(p, q), b.sub(s, t)) for p, q, s, t in corners])
            return [b.fmul(weight, value) for value in sums]

        self.keep([b.fadd(one, other) for one, other in zip(weighed(0), weighed(1), strict=True)])
        third = self.number("numbers", r, 2)
        with b.if_then(b.fcmp_unordered("!=", third, ir.Constant(ir.FloatType(), 0.0))):
            self.keep([b.fadd(b.load(value), one) for value, one in zip(self.values, weighed(2), strict=True)])

    def _six(self, node: Any) -> None:
        """(first - second) + (third - fourth) + 2 * (fifth - sixth)."""
        b, sums = self.builder, []
        for c in self.loads(node, range(6)):
            twice = b.sub(c[4], c[5])
            once = b.add(b.sub(c[0], c[1]), b.sub(c[2], c[3]))
            sums.append(b.add(once, b.add(twice, twice)))
        self.keep(self.floats(sums))

    def _nine(self, node: Any) -> None:
        """Four corners + 4 * the fifth - 2 * the other four."""
        b, sums = self.builder, []
        for c in self.loads(node, range(9)):
            middle = b.sub(b.sub(c[4], c[5]), c[6])
            middle = b.sub(b.sub(b.add(middle, c[4]), c[7]), c[8])
            outer = b.add(b.add(c[0], c[1]), b.add(c[2], c[3]))
            sums.append(b.add(outer, b.add(middle, middle)))
        self.keep(self.floats(sums))


class _Stumps(_Trees):
    def leaves(self, tree: Any) -> list[Any]:
        leaf = self.builder.mul(tree, ir.Constant(_LONG, 2))
        left, right = (_splat(self.builder, self.number("leaves", leaf, i)) for i in range(2))
        return [self.builder.select(is_left, left, right) for is_left in self.goes_left(tree)]


class _Patterns(_Trees):
    def leaves(self, tree: Any) -> list[Any]:
        codes = [self._code(c) for c in self.loads(tree, range(LBP_CORNERS), LBP_CORNERS)]
        return self.looked_up(tree, self.windows.joined(codes))

    def _code(self, corners: list[Any]) -> Any:
        b = self.builder

        def block(row: int, column: int) -> Any:
            k = 4 * row + column
            return b.sub(b.sub(corners[k], corners[k + 1]), b.sub(corners[k + 4], corners[k + 5]))

        middle = block(1, 1)
        code = nothing = _constant(middle.type, 0)
        for row, column, bit in _AROUND:
            is_more = b.icmp_signed(">=", block(row, column), middle)
            code = b.or_(code, b.select(is_more, _constant(middle.type, 1 << bit), nothing))
        return code


def _signature(tables: Any, sums: Any, at: Any, norms: Any) -> Any:
    place = at if isinstance(at, types.Array) else types.uint64
    return types.uint64(
        tables, sums, place, norms, types.uint64, types.int64, types.int64, types.float32, types.float32
    )


def _coded(trees: type[_Trees]) -> Callable[..., Any]:
    """The code of a stage of such trees."""

    def passing(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = trees(context, builder, signature, arguments)
        totals = [cgutils.alloca_once_value(builder, _ZEROS) for _ in block.windows.norms]
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
    return _word(
        builder,
        [builder.fcmp_ordered(">", _vector(builder, base, part, _FLOATS), _ZEROS) for part in range(LANES // _WIDTH)],
    )


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


def _constant(kind: Any, value: int) -> Any:
    """Of a whole number's type, or a vector's."""
    return ir.Constant(kind, [value] * _WIDTH if kind == _INTS else value)


def _splat(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, _WIDTH)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(_INTS, [0] * _WIDTH))


def _flag() -> Any:
    return ir.Constant(ir.IntType(1), 0)
