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
  CLONES void merge_keep_halves_##SUFFIX(WIDE *restrict values, const uint16_t *halves, uint16_t limit, size_t n) {  \
    for (size_t i = 0; i < n; i++) values[i] = halves[i] < limit ? values[i] : 0;                                    \
  }                                                                                                                  \
  CLONES void merge_magnitudes_halves_##SUFFIX(const WIDE *values, const uint16_t *halves, uint16_t limit, size_t n, \
                                               double *all, double *kept) {                                          \
    double lanes[LANES] = {0}, some[LANES] = {0};                                                                    \
    size_t start = 0;                                                                                                \
    for (; start + LANES <= n; start += LANES)                                                                       \
      for (size_t j = 0; j < LANES; j++) {                                                                           \
        double size = __builtin_fabs((double)values[start + j]);                                                     \
        lanes[j] += size;                                                                                            \
        some[j] += halves[start + j] < limit ? size : 0;                                                             \
      }                                                                                                              \
    for (size_t i = start; i < n; i++) {                                                                             \
      double size = __builtin_fabs((double)values[i]);                                                               \
      lanes[i - start] += size;                                                                                      \
      some[i - start] += halves[i] < limit ? size : 0;                                                               \
    }                                                                                                                \
    *all = fold(lanes), *kept = fold(some);                                                                          \
  }                                                                                                                  \
  CLONES void merge_keep_bits_##SUFFIX(WIDE *restrict values, const uint8_t *bits, size_t first, size_t n) {         \
    size_t i = 0;                                                                                                    \
    for (; i < n && (first + i) % 8; i++) values[i] = bits[(first + i) / 8] >> (first + i) % 8 & 1 ? values[i] : 0;  \
    bits += (first + i) / 8;                                                                                         \
    for (; i + 8 <= n; i += 8, bits++)                                                                               \
      for (int j = 0; j < 8; j++) values[i + j] = *bits & 1 << j ? values[i + j] : 0;                                \
    for (int j = 0; i < n; i++, j++) values[i] = *bits & 1 << j ? values[i] : 0;                                     \
  }                                                                                                                  \
  typedef WIDE wide_##SUFFIX __attribute__((ext_vector_type(LANES)));                                               \
  typedef SIGNED mask_##SUFFIX __attribute__((ext_vector_type(LANES)));                                             \
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

CLONES int merge_any_half(const uint16_t *halves, uint16_t value, size_t n) {
  uint16_t found = 0;
  for (size_t i = 0; i < n; i++) found |= halves[i] == value;
  return found;
}

VECTORS(f32, float, uint32_t, int32_t)
VECTORS(f64, double, uint64_t, int64_t)
