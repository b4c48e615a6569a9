// Elementwise loops of merging over plain buffers. `count` is in elements. Stored buffers (void *) may have any
// alignment; wide buffers (float *, double *) are aligned. Buffers of one call do not overlap. Names say stored type,
// then wide type. No operation is ever fused with another.
#ifndef STEMMA_MERGE_H
#define STEMMA_MERGE_H

#include <stddef.h>
#include <stdint.h>

// out = in, exact.
void merge_widen_bf16_f32(float *out, const void *in, size_t count);
void merge_widen_f16_f32(float *out, const void *in, size_t count);
void merge_widen_f32_f32(float *out, const void *in, size_t count);
void merge_widen_bf16_f64(double *out, const void *in, size_t count);
void merge_widen_f16_f64(double *out, const void *in, size_t count);
void merge_widen_f32_f64(double *out, const void *in, size_t count);
void merge_widen_f64_f64(double *out, const void *in, size_t count);

// sum = sum + in * weight.
void merge_accumulate_bf16_f32(float *sum, const void *in, float weight, size_t count);
void merge_accumulate_f16_f32(float *sum, const void *in, float weight, size_t count);
void merge_accumulate_f32_f32(float *sum, const void *in, float weight, size_t count);
void merge_accumulate_bf16_f64(double *sum, const void *in, double weight, size_t count);
void merge_accumulate_f16_f64(double *sum, const void *in, double weight, size_t count);
void merge_accumulate_f32_f64(double *sum, const void *in, double weight, size_t count);
void merge_accumulate_f64_f64(double *sum, const void *in, double weight, size_t count);

// sum = base + sum.
void merge_add_f32(float *sum, const float *base, size_t count);
void merge_add_f64(double *sum, const double *base, size_t count);

// sum = sum / divisor, sum = sum * factor.
void merge_divide_f32(float *sum, float divisor, size_t count);
void merge_divide_f64(double *sum, double divisor, size_t count);
void merge_scale_f32(float *sum, float factor, size_t count);
void merge_scale_f64(double *sum, double factor, size_t count);

// out = in rounded once to nearest, ties to even; NaN becomes the canonical quiet NaN (7FC0, 7E00, 7FC00000, 7FF8…).
void merge_narrow_f32_bf16(void *out, const float *in, size_t count);
void merge_narrow_f32_f16(void *out, const float *in, size_t count);
void merge_narrow_f32_f32(void *out, const float *in, size_t count);
void merge_narrow_f32_f64(void *out, const float *in, size_t count);
void merge_narrow_f64_bf16(void *out, const double *in, size_t count);
void merge_narrow_f64_f16(void *out, const double *in, size_t count);
void merge_narrow_f64_f32(void *out, const double *in, size_t count);
void merge_narrow_f64_f64(void *out, const double *in, size_t count);

#endif
