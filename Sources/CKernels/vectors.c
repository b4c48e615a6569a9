#pragma STDC FP_CONTRACT OFF

#include "vectors.h"

#include <string.h>

#include "clones.h"

typedef uint16_t __attribute__((aligned(1), may_alias)) stored16;

static inline float load_bf16(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

enum { LANES = 16 };

static inline double fold(double *lanes) {
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  return lanes[0];
}

typedef float wide_f32 __attribute__((ext_vector_type(LANES)));
typedef double wide_f64 __attribute__((ext_vector_type(LANES)));
typedef int32_t mask_f32 __attribute__((ext_vector_type(LANES)));
typedef int64_t mask_f64 __attribute__((ext_vector_type(LANES)));
typedef uint16_t __attribute__((ext_vector_type(LANES), aligned(1), may_alias)) stored_lanes;

// All ones in the lanes whose bit is set in these two bytes.
#define ONES(SUFFIX, BYTES)                                                                                          \
  (((mask_##SUFFIX)((BYTES)[0] | (BYTES)[1] << 8) &                                                                  \
    (mask_##SUFFIX){1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768}) != 0)

// The changes of stored bf16 in as many lanes.
#define WIDENED(SUFFIX, STORED)                                                                                      \
  __builtin_convertvector((wide_f32)(__builtin_convertvector(*(const stored_lanes *)(STORED), mask_f32) << 16),      \
                          wide_##SUFFIX)
#define CHANGES(SUFFIX, X, BASE) (WIDENED(SUFFIX, X) - WIDENED(SUFFIX, BASE))

// Sums over the lanes loaded by LOAD as `value`, and over the elements past the last whole lanes.
#define MAGNITUDES(LOAD, ELEMENT)                                                                                    \
  wide_f64 lanes = 0, some = 0;                                                                                      \
  size_t start = 0;                                                                                                  \
  for (; start + LANES <= n; start += LANES) {                                                                       \
    LOAD;                                                                                                            \
    mask_f64 size = (mask_f64)__builtin_convertvector(value, wide_f64) & INT64_MAX;                                  \
    lanes += (wide_f64)size;                                                                                         \
    some += (wide_f64)(size & ONES(f64, bits + start / 8));                                                          \
  }                                                                                                                  \
  for (size_t i = start; i < n; i++) {                                                                               \
    double size = __builtin_fabs((double)(ELEMENT));                                                                 \
    lanes[i - start] += size;                                                                                        \
    some[i - start] += bits[i / 8] >> i % 8 & 1 ? size : 0;                                                          \
  }                                                                                                                  \
  *all = fold((double *)&lanes), *kept = fold((double *)&some);

#define SUM(NAME, ARGUMENTS, TERM)                                                                                   \
  CLONES double NAME ARGUMENTS {                                                                                     \
    double lanes[LANES] = {0};                                                                                       \
    size_t start = 0;                                                                                                \
    for (; start + LANES <= n; start += LANES)                                                                       \
      for (size_t j = 0; j < LANES; j++) {                                                                           \
        size_t i = start + j;                                                                                        \
        lanes[j] += TERM;                                                                                            \
      }                                                                                                              \
    for (size_t i = start; i < n; i++) lanes[i - start] += TERM;                                                     \
    return fold(lanes);                                                                                              \
  }

#define VECTORS(SUFFIX, WIDE, BITS, SIGNED)                                                                          \
  CLONES void merge_change_bf16_##SUFFIX(WIDE *restrict out, const void *x, const void *base, size_t n) {            \
    const stored16 *a = x, *b = base;                                                                                \
    for (size_t i = 0; i < n; i++) out[i] = (WIDE)load_bf16(a[i]) - (WIDE)load_bf16(b[i]);                           \
  }                                                                                                                  \
  CLONES void merge_subtract_##SUFFIX(WIDE *restrict out, const WIDE *x, const WIDE *base, size_t n) {               \
    for (size_t i = 0; i < n; i++) out[i] = x[i] - base[i];                                                          \
  }                                                                                                                  \
  CLONES void merge_weigh_##SUFFIX(WIDE *restrict sum, WIDE *restrict values, WIDE factor, WIDE weight, size_t n) {  \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      WIDE scaled = values[i] * factor;                                                                              \
      values[i] = scaled * weight;                                                                                   \
      sum[i] = sum[i] + values[i];                                                                                   \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES void merge_keep_##SUFFIX(WIDE *values, BITS low, BITS high, size_t n) {                                     \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      BITS bits, size;                                                                                               \
      memcpy(&bits, values + i, sizeof bits);                                                                        \
      size = bits & ((BITS)-1 >> 1);                                                                                 \
      bits = size >= low && size <= high ? bits : 0;                                                                 \
      memcpy(values + i, &bits, sizeof bits);                                                                        \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES void merge_keep_bits_##SUFFIX(WIDE *restrict values, const uint8_t *bits, size_t first, size_t n) {         \
    size_t i = 0;                                                                                                    \
    for (; i < n && (first + i) % 8; i++) values[i] = bits[(first + i) / 8] >> (first + i) % 8 & 1 ? values[i] : 0;  \
    bits += (first + i) / 8;                                                                                         \
    for (; i + LANES <= n; i += LANES, bits += LANES / 8) {                                                          \
      mask_##SUFFIX lanes;                                                                                           \
      memcpy(&lanes, values + i, sizeof lanes);                                                                      \
      lanes &= ONES(SUFFIX, bits);                                                                                   \
      memcpy(values + i, &lanes, sizeof lanes);                                                                      \
    }                                                                                                                \
    for (size_t j = 0; i < n; i++, j++) values[i] = bits[j / 8] >> j % 8 & 1 ? values[i] : 0;                        \
  }                                                                                                                  \
  CLONES void merge_magnitudes_bits_##SUFFIX(const WIDE *values, const uint8_t *bits, size_t n, double *all,         \
                                             double *kept) {                                                         \
    MAGNITUDES(wide_##SUFFIX value; memcpy(&value, values + start, sizeof value), values[i])                         \
  }                                                                                                                  \
  CLONES void merge_magnitudes_change_##SUFFIX(const void *x, const void *base, const uint8_t *bits, size_t n,       \
                                               double *all, double *kept) {                                          \
    const stored16 *a = x, *b = base;                                                                                \
    MAGNITUDES(wide_##SUFFIX value = CHANGES(SUFFIX, a + start, b + start),                                          \
               (WIDE)load_bf16(a[i]) - (WIDE)load_bf16(b[i]))                                                        \
  }                                                                                                                  \
  CLONES void merge_weigh_change_##SUFFIX(WIDE *restrict sum, WIDE *restrict values, const void *x, const void *base,\
                                          const uint8_t *bits, WIDE factor, WIDE weight, size_t n) {                 \
    const stored16 *a = x, *b = base;                                                                                \
    size_t i = 0;                                                                                                    \
    for (; i + LANES <= n; i += LANES) {                                                                             \
      wide_##SUFFIX change = CHANGES(SUFFIX, a + i, b + i), total;                                                   \
      change = (wide_##SUFFIX)((mask_##SUFFIX)change & ONES(SUFFIX, bits + i / 8)) * factor * weight;                \
      memcpy(values + i, &change, sizeof change);                                                                    \
      memcpy(&total, sum + i, sizeof total);                                                                         \
      total += change;                                                                                               \
      memcpy(sum + i, &total, sizeof total);                                                                         \
    }                                                                                                                \
    for (; i < n; i++) {                                                                                             \
      WIDE change = bits[i / 8] >> i % 8 & 1 ? (WIDE)load_bf16(a[i]) - (WIDE)load_bf16(b[i]) : 0;                    \
      values[i] = change * factor * weight;                                                                          \
      sum[i] += values[i];                                                                                           \
    }                                                                                                                \
  }                                                                                                                  \
  static inline __attribute__((always_inline)) void elect_##SUFFIX(                                                  \
      WIDE *sums, const WIDE *changes, size_t stride, const WIDE *weights, size_t models, int normalize, size_t n) { \
    size_t bytes = n * sizeof(WIDE);                                                                                 \
    wide_##SUFFIX vote = 0, sum = 0, total = 0;                                                                      \
    memcpy(&vote, sums, bytes);                                                                                      \
    mask_##SUFFIX plus = vote >= 0;                                                                                  \
    for (size_t k = 0; k < models; k++) {                                                                            \
      wide_##SUFFIX change = 0, weight = weights[k];                                                                 \
      memcpy(&change, changes + k * stride, bytes);                                                                  \
      mask_##SUFFIX agrees = (plus & (change > 0)) | (~plus & (change < 0));                                         \
      sum = sum + (wide_##SUFFIX)((mask_##SUFFIX)change & agrees);                                                   \
      total = total + (wide_##SUFFIX)((mask_##SUFFIX)weight & agrees);                                               \
    }                                                                                                                \
    mask_##SUFFIX none = total == 0;                                                                                 \
    total = (wide_##SUFFIX)(((mask_##SUFFIX)total & ~none) | ((mask_##SUFFIX)(wide_##SUFFIX)1 & none));              \
    if (normalize) sum = sum / total;                                                                                \
    memcpy(sums, &sum, bytes);                                                                                       \
  }                                                                                                                  \
  CLONES void merge_elect_##SUFFIX(WIDE *restrict sums, const WIDE *restrict changes, size_t stride,                 \
                                   const WIDE *weights, size_t models, int normalize, size_t n) {                    \
    size_t i = 0;                                                                                                    \
    for (; i + LANES <= n; i += LANES)                                                                               \
      elect_##SUFFIX(sums + i, changes + i, stride, weights, models, normalize, LANES);                              \
    if (i < n) elect_##SUFFIX(sums + i, changes + i, stride, weights, models, normalize, n - i);                     \
  }                                                                                                                  \
  SUM(merge_magnitudes_##SUFFIX, (const WIDE *values, size_t n), __builtin_fabs((double)values[i]))                  \
  SUM(merge_products_##SUFFIX, (const WIDE *a, const WIDE *b, size_t n), (double)a[i] * (double)b[i])

VECTORS(f32, float, uint32_t, int32_t)
VECTORS(f64, double, uint64_t, int64_t)
