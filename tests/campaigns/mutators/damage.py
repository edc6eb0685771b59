"""Damage that knows nothing of the format: what disks, transfers and editors do to bytes."""

from __future__ import annotations

from random import Random

from campaigns.mutators.mutation import BYTES, Mutation, Mutator

_BLOCK = 512


def flip_bits(content: bytes, random: Random) -> Mutation:
    """One to three bits are others."""
    changed = bytearray(content)
    places = [random.randrange(8 * len(content)) for _ in range(random.randint(1, 3))] if content else []
    for place in places:
        changed[place // 8] ^= 1 << place % 8
    return Mutation(bytes(changed), f"bits {', '.join(map(str, places))} flipped", BYTES)


def cut(content: bytes, random: Random) -> Mutation:
    """The end is missing: a few bytes or much."""
    longest = len(content) if random.random() < 0.5 else min(len(content), 32)
    missing = random.randint(0, longest)
    return Mutation(content[: len(content) - missing], f"the last {missing} of {len(content)} bytes cut off", BYTES)


def insert(content: bytes, random: Random) -> Mutation:
    """Some random bytes more."""
    place, count = random.randint(0, len(content)), random.choice((1, 2, 16, 300))
    what = f"{count} random bytes inserted at {place}"
    return Mutation(content[:place] + random.randbytes(count) + content[place:], what, BYTES)


def zero_block(content: bytes, random: Random) -> Mutation:
    """A block reads as zeros, or the end does, as after a crash."""
    start = random.randrange(max(1, len(content)))
    end = len(content) if random.random() < 0.3 else min(len(content), start + random.choice((1, 16, _BLOCK)))
    return Mutation(content[:start] + bytes(end - start) + content[end:], f"bytes {start} to {end} zero", BYTES)


def swap_blocks(content: bytes, random: Random) -> Mutation:
    """Two blocks in each other's place."""
    size = random.choice((1, 16, _BLOCK))
    count = len(content) // size
    if count < 2:
        return cut(content, random)
    first, second = sorted(random.sample(range(count), 2))
    changed = bytearray(content)
    one, two = (slice(place * size, (place + 1) * size) for place in (first, second))
    changed[one], changed[two] = content[two], content[one]
    return Mutation(bytes(changed), f"blocks {first} and {second} of {size} bytes swapped", BYTES)


def replace_all(content: bytes, random: Random) -> Mutation:
    """Something else under the file's name."""
    other = random.choice((b"", b"\0", b"null\n", b"<html>404</html>\n", random.randbytes(64), content * 2))
    return Mutation(other, f"replaced by {len(other)} bytes, {other[:16]!r}", BYTES)


DAMAGE: tuple[Mutator, ...] = (flip_bits, flip_bits, cut, insert, zero_block, swap_blocks, replace_all)
