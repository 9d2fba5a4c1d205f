"""64 documents in one step, and the few instructions that Python has no word for.

A bitmap of 64 documents is one uint64 whose bit i stands for document i; sums of 64 documents
are 64 neighbours in a float32 array. LLVM makes of these what the processor has: masked
additions with AVX-512, compares and blends elsewhere.
"""

from __future__ import annotations

from typing import Any

from spladed.index.kernels.compiled import intrinsic, ir, types

__all__ = ["add_where", "bits_below", "count_bits", "lowest_bit", "prefetch", "where_at_least"]

_I1, _I32, _I64, _FLOAT = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.FloatType()
_BITS, _SUMS = ir.VectorType(_I1, 64), ir.VectorType(_FLOAT, 64)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The address of one element."""
    made = context.make_array(array_type)(context, builder, array)
    return builder.gep(made.data, [index])


def _splat(builder: Any, value: Any) -> Any:
    """64 times the same float32."""
    one = builder.insert_element(ir.Constant(_SUMS, ir.Undefined), value, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, 64), None)
    return builder.shuffle_vector(one, ir.Constant(_SUMS, ir.Undefined), zeros)


def _load_sums(context: Any, builder: Any, array_type: Any, array: Any) -> tuple[Any, Any]:
    """(address, value) of the first 64 elements."""
    start = _address(context, builder, array_type, array, ir.Constant(_I64, 0))
    address = builder.bitcast(start, _SUMS.as_pointer())
    return address, builder.load(address, align=4)


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
def add_where(_typing: Any, sums: Any, bits: Any, weights: Any, _first: Any) -> Any:
    """Add `weights[i]` to the 64 `sums` where `bits[i]` is set, for four i from `first` on.

    sums: float32 [>= 64]; bits: uint64; weights: float32. Four at a time, so that the sums
    are read and written once for them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, bit_array, weight_array, first = arguments
        address, total = _load_sums(context, builder, signature.args[0], array)
        for number in range(4):
            index = builder.add(first, ir.Constant(_I64, number))
            mask = builder.load(_address(context, builder, signature.args[1], bit_array, index))
            weight = builder.load(
                _address(context, builder, signature.args[2], weight_array, index)
            )
            share = builder.select(
                builder.bitcast(mask, _BITS), _splat(builder, weight), ir.Constant(_SUMS, None)
            )
            total = builder.fadd(total, share)
        builder.store(total, address, align=4)
        return context.get_dummy_value()

    return types.void(sums, bits, weights, types.int64), generate


@intrinsic
def where_at_least(_typing: Any, sums: Any, _least: Any) -> Any:
    """The bitmap (uint64) of those of the 64 float32 `sums` that are not below `least`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, total = _load_sums(context, builder, signature.args[0], arguments[0])
        mask = builder.fcmp_ordered(">=", total, _splat(builder, arguments[1]))
        return builder.bitcast(mask, _I64)

    return types.uint64(sums, types.float32), generate
