"""64 documents in one step, and the few instructions that Python has no word for.

A bitmap of 64 documents is one uint64 whose bit i stands for document i; sums of 64 documents
are 64 neighbours in a float32 array. LLVM makes of these what the processor has: masks with
AVX-512, compares and blends elsewhere.
"""

from __future__ import annotations

from typing import Any

from spladed.index.kernels.compiled import intrinsic, ir, types

__all__ = ["at_least", "bits_below", "count_bits", "lowest_bit", "prefetch", "subtract_elsewhere"]

_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
_BITS, _SUMS = ir.VectorType(_I1, 64), ir.VectorType(ir.FloatType(), 64)
_DOUBLES = ir.VectorType(ir.DoubleType(), 64)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The address of one element."""
    made = context.make_array(array_type)(context, builder, array)
    return builder.gep(made.data, [index])


def _splat(builder: Any, value: Any, kind: Any = _SUMS) -> Any:
    """64 times the same number."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, 64), None)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


@intrinsic
def prefetch(_typing: Any, array: Any, _index: Any) -> Any:
    """Ask for the cache line of `array[index]` (int64), without waiting; it may lie outside."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        address = builder.bitcast(address, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, _I32, _I32, _I32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(function, [address, *(ir.Constant(_I32, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def count_bits(_typing: Any, _bits: Any) -> Any:
    """How many bits of a uint64 are set, as int64."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def lowest_bit(_typing: Any, _bits: Any) -> Any:
    """The number of the lowest set bit of a uint64, as int64; 64 if there is none."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(_I1, 0))

    return types.int64(types.uint64), generate


@intrinsic
def bits_below(_typing: Any, _bits: Any, _bit: Any) -> Any:
    """How many bits of a uint64 below bit number `bit` (int64, 0 to 63) are set, as int64."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bits, bit = arguments
        below = builder.sub(builder.shl(ir.Constant(_I64, 1), bit), ir.Constant(_I64, 1))
        return builder.ctpop(builder.and_(bits, below))

    return types.int64(types.uint64, types.int64), generate


@intrinsic
def subtract_elsewhere(_typing: Any, sums: Any, words: Any, entries: Any, weights: Any,
                       _first: Any, _least: Any) -> Any:  # fmt: skip
    """Take `weights[i]` from the 64 `sums` where the bitmap `words[entries[i]]` has a 0.

    For four i from `first` (int64) on, so that the sums are read and written once for them.
    Gives the bitmap (uint64) of the sums that are not below `least` (float32) then; a sum that
    is no number counts as one. sums, weights: float32; words: uint64; entries: int64.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args

        def element(number: int, index: Any) -> Any:
            return builder.load(_address(context, builder, kinds[number], arguments[number], index))

        start = _address(context, builder, kinds[0], arguments[0], ir.Constant(_I64, 0))
        address = builder.bitcast(start, _SUMS.as_pointer())
        total = builder.load(address, align=4)
        for number in range(4):
            index = builder.add(arguments[4], ir.Constant(_I64, number))
            members = builder.bitcast(element(1, element(2, index)), _BITS)
            weight = _splat(builder, element(3, index))
            total = builder.fsub(total, builder.select(members, ir.Constant(_SUMS, None), weight))
        builder.store(total, address, align=4)
        below = builder.fcmp_ordered("<", total, _splat(builder, arguments[5]))
        return builder.not_(builder.bitcast(below, _I64))

    return types.uint64(sums, words, entries, weights, types.int64, types.float32), generate


@intrinsic
def at_least(_typing: Any, sums: Any, _first: Any, _least: Any) -> Any:
    """The bitmap (uint64) of the 64 `sums` from `first` (int64) on that are not below `least`.

    sums, least: float32 or float64; a sum that is no number counts as one.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = _SUMS if sums.dtype == types.float32 else _DOUBLES
        start = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        some = builder.load(builder.bitcast(start, kind.as_pointer()), align=4)
        below = builder.fcmp_ordered("<", some, _splat(builder, arguments[2], kind))
        return builder.not_(builder.bitcast(below, _I64))

    return types.uint64(sums, types.int64, sums.dtype), generate
