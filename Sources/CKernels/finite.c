#include "finite.h"
#include "clones.h"

#define HIGHEST(BITS)                                                                                           \
  CLONES uint##BITS##_t ck_highest##BITS(const void *in, size_t n) {                                            \
    typedef uint##BITS##_t __attribute__((aligned(1), may_alias)) word;                                         \
    const word *words = (const word *)in;                                                                       \
    uint##BITS##_t highest = 0;                                                                                 \
    for (size_t i = 0; i < n; i++) {                                                                            \
      uint##BITS##_t magnitude = (uint##BITS##_t)(words[i] & (UINT##BITS##_MAX >> 1));                          \
      highest = magnitude > highest ? magnitude : highest;                                                      \
    }                                                                                                           \
    return highest;                                                                                             \
  }

HIGHEST(16)
HIGHEST(32)
HIGHEST(64)
