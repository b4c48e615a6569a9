// Loops over chunks of wide numbers that lie in the fastest cache: changes, pruning, votes, sums. As in merge.h no
// operation is fused with another, and every clone gives the same bits.
#pragma once
#include <stddef.h>
#include <stdint.h>

// out = x - base; of stored bf16, of wide numbers.
void merge_change_bf16_f32(float *out, const void *x, const void *base, size_t n);
void merge_change_bf16_f64(double *out, const void *x, const void *base, size_t n);
void merge_subtract_f32(float *out, const float *x, const float *base, size_t n);
void merge_subtract_f64(double *out, const double *x, const double *base, size_t n);

// values = values * factor * weight, sum = sum + values.
void merge_weigh_f32(float *sum, float *values, float factor, float weight, size_t n);
void merge_weigh_f64(double *sum, double *values, double factor, double weight, size_t n);

// Zeroes values whose bits without the sign are not in low...high.
void merge_keep_f32(float *values, uint32_t low, uint32_t high, size_t n);
void merge_keep_f64(double *values, uint64_t low, uint64_t high, size_t n);

// Zeroes values whose bit is 0: the first value's is bit `first` % 8, the least significant first, of byte `first` / 8.
void merge_keep_bits_f32(float *values, const uint8_t *bits, size_t first, size_t n);
void merge_keep_bits_f64(double *values, const uint8_t *bits, size_t first, size_t n);

// Sums of magnitudes as below: of all values, and of those whose bit is 1; the first value's is the first byte's least.
void merge_magnitudes_bits_f32(const float *values, const uint8_t *bits, size_t n, double *all, double *kept);
void merge_magnitudes_bits_f64(const double *values, const uint8_t *bits, size_t n, double *all, double *kept);

// The same of the changes of stored bf16.
void merge_magnitudes_change_f32(const void *x, const void *base, const uint8_t *bits, size_t n, double *all,
                                 double *kept);
void merge_magnitudes_change_f64(const void *x, const void *base, const uint8_t *bits, size_t n, double *all,
                                 double *kept);

// values = (x - base of stored bf16, or 0 where the bit is 0) * factor * weight, sum = sum + values.
void merge_weigh_change_f32(float *sum, float *values, const void *x, const void *base, const uint8_t *bits,
                            float factor, float weight, size_t n);
void merge_weigh_change_f64(double *sum, double *values, const void *x, const void *base, const uint8_t *bits,
                            double factor, double weight, size_t n);

// Replaces sums of changes by the sums of those that have the sum's sign (zero counts as plus), divided, where
// normalize is set, by the sum of their weights, by 1 where that is 0. The changes of model k lie at changes +
// k * stride.
void merge_elect_f32(float *sums, const float *changes, size_t stride, const float *weights, size_t models,
                     int normalize, size_t n);
void merge_elect_f64(double *sums, const double *changes, size_t stride, const double *weights, size_t models,
                     int normalize, size_t n);

// Sums in f64 over sixteen lanes (element i goes to lane i mod 16), which are added pairwise at the end, far ones
// first: of magnitudes, of products.
double merge_magnitudes_f32(const float *values, size_t n);
double merge_magnitudes_f64(const double *values, size_t n);
double merge_products_f32(const float *a, const float *b, size_t n);
double merge_products_f64(const double *a, const double *b, size_t n);
