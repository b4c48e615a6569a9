"""Philox4x32-10, as Stemma draws: word number e is lane e % 4 of counter e // 4.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The key of a tensor is the first
eight bytes, least significant first, of the SHA-256 of "SEED\\nPURPOSE\\nNAME"."""
import hashlib

MASK = 0xFFFFFFFF


def key(seed, purpose, name):
    digest = hashlib.sha256(f"{seed}\n{purpose}\n{name}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def words(key, counter):
    """The four words of one counter, a tuple of four words; plain Python, the yardstick of `fill`."""
    (k, l), (a, b, c, d) = key, counter
    for _ in range(10):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (second >> 32) ^ b ^ k, second & MASK, (first >> 32) ^ d ^ l, first & MASK
        k, l = (k + 0x9E3779B9) & MASK, (l + 0xBB67AE85) & MASK
    return a, b, c, d


def fill(key, count):
    """The first `count` words as a numpy array of uint32, about 40 million a second."""
    import numpy as np

    counters = np.arange((count + 3) // 4, dtype=np.uint64)
    low, shift = np.uint64(MASK), np.uint64(32)
    a, b, c, d = counters & low, counters >> shift, np.zeros_like(counters), np.zeros_like(counters)
    k, l = key
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b = (second >> shift) ^ b ^ np.uint64(k), second & low
        c, d = (first >> shift) ^ d ^ np.uint64(l), first & low
        k, l = (k + 0x9E3779B9) & MASK, (l + 0xBB67AE85) & MASK
    return np.stack([a, b, c, d], 1).reshape(-1)[:count].astype(np.uint32)
