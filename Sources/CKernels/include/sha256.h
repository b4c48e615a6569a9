#pragma once
#include <stddef.h>
#include <stdint.h>

// A SHA-256 under way (FIPS 180-4). A plain value: a copy continues from the same point.
typedef struct {
  uint32_t state[8];
  uint8_t tail[64];
  uint64_t count;
} ck_sha256;

// 1 where this processor has SHA instructions; the functions below need them.
int ck_sha256_available(void);
ck_sha256 ck_sha256_begin(void);
void ck_sha256_update(ck_sha256 *hash, const void *bytes, size_t n);
// Takes n bytes into each of two digests. A round waits on the one before it, so two chains at once take little longer
// than one.
void ck_sha256_update_two(ck_sha256 *a, const void *a_bytes, ck_sha256 *b, const void *b_bytes, size_t n);
void ck_sha256_finish(const ck_sha256 *hash, uint8_t out[32]);
