"""The hash tree of RFC 9162 §2.1: leaves and nodes, the root, proofs of inclusion and what they prove."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

MOST = 1 << 20
"""Leaves of a tree that anybody may be asked to believe in."""


def leaf_hash(octets: bytes) -> bytes:
    """Return the hash of an entry (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + octets).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two trees side by side (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 9162 §2.1.1); of none it is the hash of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    waiting: list[tuple[int, bytes]] = []  # full trees, the widest first
    for one in leaves:
        size, tree = 1, one
        while waiting and waiting[-1][0] == size:
            tree = node_hash(waiting.pop()[1], tree)
            size *= 2
        waiting.append((size, tree))
    tree = waiting.pop()[1]
    while waiting:
        tree = node_hash(waiting.pop()[1], tree)
    return tree


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the proof that the leaf at `index` is in the tree (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1  # the largest power of two below the number of leaves
    if index < half:
        return [*inclusion_path(leaves[:half], index), tree_root(leaves[half:])]
    return [*inclusion_path(leaves[half:], index - half), tree_root(leaves[:half])]


def proven_root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof leads to, None if it fits no leaf of such a tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size <= MOST:
        return None
    place, last, tree = index, size - 1, leaf
    for beside in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            tree = node_hash(beside, tree)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            tree = node_hash(tree, beside)
        place, last = place >> 1, last >> 1
    return tree if last == 0 else None
