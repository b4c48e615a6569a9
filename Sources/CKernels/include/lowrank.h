// Low-rank changes of a matrix. Names say the type of all numbers. No operation is ever fused with another.
#ifndef STEMMA_LOWRANK_H
#define STEMMA_LOWRANK_H

#include <stddef.h>

// out[i][j] = out[i][j] + scale * (0 + left[i][0] * right[0][j] + left[i][1] * right[1][j] + …), the sum from the first
// to the last of `rank` terms, every operation rounded on its own. Rows lie `out_stride`, `left_stride` and
// `right_stride` elements apart. Buffers do not overlap.
void lowrank_add_f32(
    float *out, const float *left, const float *right, float scale, size_t rows, size_t columns, size_t rank,
    size_t out_stride, size_t left_stride, size_t right_stride);
void lowrank_add_f64(
    double *out, const double *left, const double *right, double scale, size_t rows, size_t columns, size_t rank,
    size_t out_stride, size_t left_stride, size_t right_stride);

// sums[j] = sums[j] + row[j]² in f64.
void lowrank_add_squares_f32(double *sums, const float *row, size_t count);
void lowrank_add_squares_f64(double *sums, const double *row, size_t count);

#endif
