"""The compiled inner loops of the PDQ index; docs/decisions/0005-pdq-index.md says why they are as they are.

A hash is four 64-bit words, its bits spread (see `spread`), and also sixteen 16-bit chunks. Every function here trusts its arguments
(PdqIndex checks them) with one exception: slots may come from a damaged snapshot, so each is compared with the number
of hashes before it is followed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["CHUNKS", "LANES", "VALUES", "build_chunk", "mark", "scan", "search", "spread"]

CHUNKS = 16
VALUES = 1 << 16
# Candidates that are compared at once: eight 64-bit lanes fill the widest register there is.
LANES = 8

_PROBES = CHUNKS * 17
_AHEAD = 12
_HELD = 256
_SCANNED = 2048

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)


def _compiled(function: Any) -> Any:
    """Compile on first use; keep the result on disk where that is possible."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)


@intrinsic
def _ones(typing: Any, word: Any) -> Any:
    """The number of set bits of a 64-bit word."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), code


@intrinsic
def _near(typing: Any, blocks: Any, block: Any, low: Any, high: Any, limit: Any) -> Any:
    """Bit mask of a block's lanes that are within `limit` bits of the words (low, high).

    A block is eight low words, then eight high words. Spelt out because Numba does not turn so short a loop into
    vector instructions; LLVM finds the right ones for each processor (VPOPCNTQ, or byte shuffles before it).
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        start = builder.mul(arguments[1], ir.Constant(_WORD, 2 * LANES))

        def splat(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)

        def distances(offset: int, query: Any) -> Any:
            where = builder.gep(array.data, [builder.add(start, ir.Constant(_WORD, offset))])
            # Eight is all a mapped file promises; wider loads then cost nothing more on lines that happen to be aligned.
            words = builder.load(builder.bitcast(where, _VECTOR.as_pointer()), align=8)
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            count = cgutils.get_or_insert_function(builder.module, kind, f"llvm.ctpop.v{LANES}i64")
            return builder.call(count, [builder.xor(words, splat(query))])

        total = builder.add(distances(0, arguments[2]), distances(LANES, arguments[3]))
        mask = builder.bitcast(builder.icmp_unsigned("<=", total, splat(arguments[4])), ir.IntType(LANES))
        return builder.zext(mask, _WORD)

    return types.uint64(blocks, types.int64, types.uint64, types.uint64, types.uint64), code


@intrinsic
def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of array[index]; the answer is used some probes later. Never faults."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        where = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [where.type, number, number, number])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(fetch, [where, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), code


@_compiled
def _slot(table: Any, place: int) -> Any:
    return np.int64(table[3 * place]) | (np.int64(table[3 * place + 1]) << 8) | (np.int64(table[3 * place + 2]) << 16)


@_compiled
def spread(words: Any) -> Any:
    """The same hashes, uint64[n, 4], with their bits in another order, which is the same for all: distances stay.

    Neighbouring waves of a photograph are alike, and sixteen of one row make crowded buckets. Here each chunk takes
    every fourth bit of four rows that lie in four words, each from another place.
    """
    out = np.empty_like(words)
    every_fourth = np.uint64(0x1111111111111111)
    for row in range(words.shape[0]):
        for word in range(4):
            mixed = words[row, word] & every_fourth
            for turn in range(1, 4):
                other = words[row, (word + turn) % 4]
                turned = (other << np.uint64(4 * turn)) | (other >> np.uint64(64 - 4 * turn))
                mixed |= turned & (every_fourth << np.uint64(turn))
            out[row, word] = mixed
    return out


@_compiled
def build_chunk(words: Any, chunk: int, offsets: Any, slots: Any, blocks: Any) -> None:
    """Sort all hashes by one 16-bit chunk: fills offsets (65,537), slots (n x 3 bytes) and blocks.

    `blocks` empty leaves out the words beside the slots (lean).
    """
    count = words.shape[0]
    word, shift = chunk // 4, np.uint64(16 * (chunk % 4))
    cursor = np.zeros(VALUES, np.int64)
    for slot in range(count):
        cursor[(words[slot, word] >> shift) & np.uint64(0xFFFF)] += 1
    total = 0
    for value in range(VALUES):
        offsets[value] = total
        total += cursor[value]
        cursor[value] = offsets[value]
    offsets[VALUES] = total
    # The half of the hash that the chunk is not part of: what is known to be near already would tell little.
    other = 2 if chunk < CHUNKS // 2 else 0
    for slot in range(count):
        value = (words[slot, word] >> shift) & np.uint64(0xFFFF)
        place = cursor[value]
        cursor[value] = place + 1
        slots[3 * place] = slot & 0xFF
        slots[3 * place + 1] = (slot >> 8) & 0xFF
        slots[3 * place + 2] = slot >> 16
        if blocks.size:
            at = (place // LANES) * 2 * LANES + place % LANES
            blocks[at] = words[slot, other]
            blocks[at + LANES] = words[slot, other + 1]


@_compiled
def _verify(
    words: Any,
    held: Any,
    holding: int,
    queries: Any,
    query: int,
    limit: int,
    chunk: int,
    radius: Any,
    found: Any,
    filled: int,
) -> Any:
    """Compare held slots in full; add those within `limit` to found. Returns the rows filled, -1 if found is full."""
    q0, q1, q2, q3 = queries[query, 0], queries[query, 1], queries[query, 2], queries[query, 3]
    for index in range(holding):
        slot = held[index]
        d0, d1, d2, d3 = words[slot, 0] ^ q0, words[slot, 1] ^ q1, words[slot, 2] ^ q2, words[slot, 3] ^ q3
        distance = _ones(d0) + _ones(d1) + _ones(d2) + _ones(d3)
        if distance > limit:
            continue
        # Told at the first chunk that is near enough to find it, so that it is told once.
        told = False
        for before in range(chunk):
            part = words[slot, before // 4] ^ queries[query, before // 4]
            if _ones((part >> np.uint64(16 * (before % 4))) & np.uint64(0xFFFF)) <= radius[before]:
                told = True
                break
        if told:
            continue
        if filled == found.shape[0]:
            return -1
        found[filled, 0] = query
        found[filled, 1] = slot
        found[filled, 2] = distance
        filled += 1
    return filled


@_compiled
def search(
    queries: Any,
    first: int,
    last: int,
    limit: int,
    most: int,
    offsets: Any,
    slots: Any,
    blocks: Any,
    words: Any,
    found: Any,
    wide: Any,
) -> Any:
    """Matches of queries[first:last] within `limit` (0 to 31) bits, through the chunk tables.

    found: int64[capacity, 3] takes (query, slot, distance). wide: int64[queries] takes queries that have more than
    `most` candidates, for which comparing with every hash is cheaper. Returns (query to go on with, rows, wide ones);
    the first is below `last` when found was too small.
    """
    count = words.shape[0]
    lean = blocks.shape[1] == 0
    filled = 0
    widened = 0
    lows = np.empty(_PROBES, np.int64)
    highs = np.empty(_PROBES, np.int64)
    chunks = np.empty(_PROBES, np.int64)
    held = np.empty(_HELD, np.int64)
    radius = np.empty(CHUNKS, np.int64)
    # Pigeonhole: were every chunk off by its radius + 1 or more, the hashes would differ by the sum of those: limit + 1.
    for chunk in range(CHUNKS):
        radius[chunk] = (limit + CHUNKS - chunk) // CHUNKS - 1
    for query in range(first, last):
        probes = 0
        candidates: Any = 0
        for chunk in range(CHUNKS):
            if radius[chunk] < 0:
                continue
            value = np.int64((queries[query, chunk // 4] >> np.uint64(16 * (chunk % 4))) & np.uint64(0xFFFF))
            for flip in range(17 if radius[chunk] == 1 else 1):
                near = value if flip == 0 else value ^ (1 << (flip - 1))
                low = np.int64(offsets[chunk, near])
                high = np.int64(offsets[chunk, near + 1])
                if low >= high:
                    continue
                lows[probes] = low
                highs[probes] = high
                # The lowest bit tells a neighbour from the value itself, which leaves one bit more for the rest.
                chunks[probes] = 2 * chunk + (flip > 0)
                candidates += high - low
                probes += 1
        if candidates > most:
            wide[widened] = query
            widened += 1
            continue
        start = filled
        holding = 0
        for probe in range(probes):
            chunk = chunks[probe] // 2
            low = lows[probe]
            high = highs[probe]
            slot_table = slots[chunk]
            if lean:
                for place in range(low, high):
                    slot = _slot(slot_table, place)
                    if slot < count:
                        _prefetch(words, 4 * slot)
                        held[holding] = slot
                        holding += 1
                        if holding == _HELD:
                            filled = _verify(words, held, holding, queries, query, limit, chunk, radius, found, filled)
                            holding = 0
                            if filled < 0:
                                break
            else:
                ahead = probe + _AHEAD
                if ahead < probes:
                    table = blocks[chunks[ahead] // 2]
                    for line in range(2 * (lows[ahead] // LANES), 2 * ((highs[ahead] - 1) // LANES + 1)):
                        _prefetch(table, line * LANES)
                table = blocks[chunk]
                half = 2 if chunk < CHUNKS // 2 else 0
                b0, b1 = queries[query, half], queries[query, half + 1]
                rest = np.uint64(max(limit - chunks[probe] % 2, 0))
                for block in range(low // LANES, (high - 1) // LANES + 1):
                    mask = _near(table, block, b0, b1, rest)
                    while mask:
                        place = block * LANES + _ones((mask & (~mask + np.uint64(1))) - np.uint64(1))
                        mask &= mask - np.uint64(1)
                        if place < low or place >= high:
                            continue
                        slot = _slot(slot_table, place)
                        if slot < count:
                            held[holding] = slot
                            holding += 1
                            if holding == _HELD:
                                filled = _verify(
                                    words, held, holding, queries, query, limit, chunk, radius, found, filled
                                )
                                holding = 0
                                if filled < 0:
                                    break
                    if filled < 0:
                        break
            if filled >= 0 and holding and (probe + 1 == probes or chunks[probe + 1] // 2 != chunk):
                filled = _verify(words, held, holding, queries, query, limit, chunk, radius, found, filled)
                holding = 0
            if filled < 0:
                return query, start, widened
    return last, filled, widened


@_compiled
def scan(queries: Any, members: Any, limit: int, words: Any, first: int, last: int, found: Any) -> Any:
    """Compare the queries that `members` lists with words[first:last], every one.

    Returns (slot to go on with, rows filled); the slot is below `last` when found was too small.
    """
    filled = 0
    for begin in range(first, last, _SCANNED):
        start = filled
        end = min(begin + _SCANNED, last)
        # Queries inside, so that a stretch of hashes is read from memory once for all of them.
        for query in members:
            q0, q1, q2, q3 = queries[query, 0], queries[query, 1], queries[query, 2], queries[query, 3]
            for slot in range(begin, end):
                distance = (
                    _ones(words[slot, 0] ^ q0)
                    + _ones(words[slot, 1] ^ q1)
                    + _ones(words[slot, 2] ^ q2)
                    + _ones(words[slot, 3] ^ q3)
                )
                if distance <= limit:
                    if filled == found.shape[0]:
                        return begin, start
                    found[filled, 0] = query
                    found[filled, 1] = slot
                    found[filled, 2] = distance
                    filled += 1
    return last, filled


@_compiled
def mark(ids: Any, gone: Any, dead: Any) -> int:
    """Set dead[i] where ids[i] is in `gone` (sorted, not empty); returns how many were alive until now."""
    least, greatest = gone[0], gone[-1]
    marked = 0
    for index in range(ids.shape[0]):
        one = ids[index]
        if one < least or one > greatest or dead[index]:
            continue
        place = np.searchsorted(gone, one)
        if gone[place] == one:
            dead[index] = 1
            marked += 1
    return marked
