// Hot loops of merging. Every operation is rounded on its own: contraction into fused multiply-add is off for the whole
// file, so that all clones of a function give the same bits.
#pragma STDC FP_CONTRACT OFF

#include "merge.h"

#include <string.h>

#include "clones.h"

#define INLINE static inline __attribute__((always_inline))

// Stored elements may lie at any address.
typedef uint16_t __attribute__((aligned(1), may_alias)) stored16;
typedef float __attribute__((aligned(1), may_alias)) stored_f32;
typedef double __attribute__((aligned(1), may_alias)) stored_f64;

INLINE float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

INLINE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

INLINE double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, 8);
  return value;
}

// Stored → f32, exact.

INLINE float load_bf16(uint16_t bits) { return float_of((uint32_t)bits << 16); }

INLINE float load_f16(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t exponent = magnitude & 0x0F800000;
  uint32_t normal = magnitude + ((127 - 15) << 23);
  uint32_t special = magnitude + ((255 - 31) << 23);
  // A subnormal's fraction is put below 2^-14, which is then taken away again: exact, and no f32 subnormal appears.
  uint32_t small = bits_of(float_of(magnitude + (113u << 23)) - float_of(113u << 23));
  uint32_t bits = exponent == 0x0F800000 ? special : normal;
  bits = exponent == 0 ? small : bits;
  return float_of(bits | sign);
}

INLINE float load_f32(float value) { return value; }
INLINE double load_f64(double value) { return value; }

// Wide → stored: nearest, ties to even, NaN canonical.

INLINE uint16_t bf16_of_f32(float value) {
  uint32_t bits = bits_of(value);
  uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC0 : rounded);
}

INLINE uint16_t f16_of_f32(float value) {
  uint32_t bits = bits_of(value);
  uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7FFFFFFF;
  // The last place of 0.5 in f32 is that of an f16 subnormal, so the addition itself rounds.
  uint32_t small = bits_of(float_of(magnitude < 0x38800000 ? magnitude : 0) + 0.5f) - 0x3F000000;
  uint32_t normal = (magnitude - (112u << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  uint32_t result = magnitude < 0x38800000 ? small : normal;
  result = magnitude >= 0x47800000 ? 0x7C00 : result;
  result |= sign;
  return (uint16_t)(magnitude > 0x7F800000 ? 0x7E00 : result);
}

INLINE float f32_of_f32(float value) { return value != value ? float_of(0x7FC00000) : value; }
INLINE float f32_of_f64(double value) { return value != value ? float_of(0x7FC00000) : (float)value; }
INLINE double f64_of_f64(double value) { return value != value ? double_of(0x7FF8000000000000) : value; }
INLINE double f64_of_f32(float value) { return f64_of_f64((double)value); }

// Cuts to f32 and sets the last bit where anything was lost ("round to odd"): a second rounding to at most 22 bits then
// gives what one rounding would have given.
INLINE float odd_f32_of_f64(double value) {
  float nearest = (float)value;
  double back = (double)nearest;
  uint32_t bits = bits_of(nearest);
  bits -= __builtin_fabs(back) > __builtin_fabs(value) ? 1 : 0;
  bits |= back != value ? 1 : 0;
  return float_of(bits);
}

INLINE uint16_t bf16_of_f64(double value) { return bf16_of_f32(odd_f32_of_f64(value)); }
INLINE uint16_t f16_of_f64(double value) { return f16_of_f32(odd_f32_of_f64(value)); }

#define WIDEN(SUFFIX, STORED, LOAD, WIDE)                                                                       \
  CLONES void merge_widen_##SUFFIX(WIDE *restrict out, const void *restrict in, size_t count) {                 \
    const STORED *stored = (const STORED *)in;                                                                  \
    for (size_t i = 0; i < count; i++) out[i] = (WIDE)LOAD(stored[i]);                                          \
  }

#define ACCUMULATE(SUFFIX, STORED, LOAD, WIDE)                                                                  \
  CLONES void merge_accumulate_##SUFFIX(WIDE *restrict sum, const void *restrict in, WIDE weight, size_t count) { \
    const STORED *stored = (const STORED *)in;                                                                  \
    for (size_t i = 0; i < count; i++) {                                                                        \
      WIDE product = (WIDE)LOAD(stored[i]) * weight;                                                            \
      sum[i] = sum[i] + product;                                                                                \
    }                                                                                                           \
  }

#define EVERY_SOURCE(KERNEL)                                                                                    \
  KERNEL(bf16_f32, stored16, load_bf16, float)                                                                  \
  KERNEL(f16_f32, stored16, load_f16, float)                                                                    \
  KERNEL(f32_f32, stored_f32, load_f32, float)                                                                  \
  KERNEL(bf16_f64, stored16, load_bf16, double)                                                                 \
  KERNEL(f16_f64, stored16, load_f16, double)                                                                   \
  KERNEL(f32_f64, stored_f32, load_f32, double)                                                                 \
  KERNEL(f64_f64, stored_f64, load_f64, double)

EVERY_SOURCE(WIDEN)
EVERY_SOURCE(ACCUMULATE)

#define NARROW(SUFFIX, WIDE, STORED, ROUND)                                                                     \
  CLONES void merge_narrow_##SUFFIX(void *restrict out, const WIDE *restrict in, size_t count) {                \
    STORED *stored = (STORED *)out;                                                                             \
    for (size_t i = 0; i < count; i++) stored[i] = ROUND(in[i]);                                                \
  }

NARROW(f32_bf16, float, stored16, bf16_of_f32)
NARROW(f32_f16, float, stored16, f16_of_f32)
NARROW(f32_f32, float, stored_f32, f32_of_f32)
NARROW(f32_f64, float, stored_f64, f64_of_f32)
NARROW(f64_bf16, double, stored16, bf16_of_f64)
NARROW(f64_f16, double, stored16, f16_of_f64)
NARROW(f64_f32, double, stored_f32, f32_of_f64)
NARROW(f64_f64, double, stored_f64, f64_of_f64)

#define FINISH(SUFFIX, WIDE)                                                                                    \
  CLONES void merge_add_##SUFFIX(WIDE *restrict sum, const WIDE *restrict base, size_t count) {                 \
    for (size_t i = 0; i < count; i++) sum[i] = base[i] + sum[i];                                               \
  }                                                                                                             \
  CLONES void merge_divide_##SUFFIX(WIDE *restrict sum, WIDE divisor, size_t count) {                           \
    for (size_t i = 0; i < count; i++) sum[i] = sum[i] / divisor;                                               \
  }                                                                                                             \
  CLONES void merge_scale_##SUFFIX(WIDE *restrict sum, WIDE factor, size_t count) {                             \
    for (size_t i = 0; i < count; i++) sum[i] = sum[i] * factor;                                                \
  }

FINISH(f32, float)
FINISH(f64, double)
