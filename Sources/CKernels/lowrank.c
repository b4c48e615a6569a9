// Every operation is rounded on its own: contraction into fused multiply-add is off for the whole file, so that all
// clones of a function give the same bits.
#pragma STDC FP_CONTRACT OFF

#include "lowrank.h"

#include "clones.h"

// Columns that are summed side by side: their sums stay in registers, and so many columns of `right` in the cache.
enum { TILE = 64 };

#define LOWRANK(SUFFIX, NUMBER)                                                                                 \
  CLONES void lowrank_add_##SUFFIX(                                                                             \
      NUMBER *restrict out, const NUMBER *restrict left, const NUMBER *restrict right, NUMBER scale,            \
      size_t rows, size_t columns, size_t rank, size_t out_stride, size_t left_stride, size_t right_stride) {   \
    for (size_t start = 0; start < columns; start += TILE) {                                                    \
      size_t width = columns - start < TILE ? columns - start : TILE;                                           \
      for (size_t i = 0; i < rows; i++) {                                                                       \
        NUMBER sum[TILE] = {0};                                                                                 \
        const NUMBER *l = left + i * left_stride;                                                               \
        NUMBER *o = out + i * out_stride + start;                                                               \
        if (width == TILE) {                                                                                    \
          for (size_t k = 0; k < rank; k++) {                                                                   \
            const NUMBER *r = right + k * right_stride + start;                                                 \
            for (size_t j = 0; j < TILE; j++) sum[j] = sum[j] + l[k] * r[j];                                    \
          }                                                                                                     \
          for (size_t j = 0; j < TILE; j++) o[j] = o[j] + scale * sum[j];                                       \
        } else {                                                                                                \
          for (size_t k = 0; k < rank; k++) {                                                                   \
            const NUMBER *r = right + k * right_stride + start;                                                 \
            for (size_t j = 0; j < width; j++) sum[j] = sum[j] + l[k] * r[j];                                   \
          }                                                                                                     \
          for (size_t j = 0; j < width; j++) o[j] = o[j] + scale * sum[j];                                      \
        }                                                                                                       \
      }                                                                                                         \
    }                                                                                                           \
  }                                                                                                             \
  CLONES void lowrank_add_squares_##SUFFIX(double *restrict sums, const NUMBER *restrict row, size_t count) {   \
    for (size_t j = 0; j < count; j++) sums[j] = sums[j] + (double)row[j] * (double)row[j];                     \
  }

LOWRANK(f32, float)
LOWRANK(f64, double)
