// Byte planes of elements of 1, 2, 4 and 8 bytes, and of their differences from a base.
//
// A plane holds byte p of every transformed element; plane 0 is the least significant. Split planes lie one after
// another: plane p starts at planes + p * n. To be joined, each is where its pointer says. `is_float` chooses the
// transform:
//   solo:  floats are rotated left by one bit, so that the exponent fills the top plane; integers stay as they are.
//   delta: floats are mapped to integers in the order of their values; then the wrapping difference x - b is folded
//          (zigzag), so that small differences of either sign give small numbers and empty upper planes.
#pragma once
#include <stddef.h>
#include <stdint.h>

void ck_split(const void *x, uint8_t *planes, size_t n, int width, int is_float);
void ck_join(const uint8_t *const *planes, void *x, size_t n, int width, int is_float);
void ck_delta_split(const void *x, const void *base, uint8_t *planes, size_t n, int width, int is_float);
void ck_delta_join(const uint8_t *const *planes, const void *base, void *x, size_t n, int width, int is_float);
