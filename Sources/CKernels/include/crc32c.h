// CRC-32C (Castagnoli polynomial, reflected, as in iSCSI and ext4).
#pragma once
#include <stddef.h>
#include <stdint.h>

// The checksum of `n` bytes, continuing from `crc` (0 to begin). Uses the processor's instruction where there is one.
uint32_t ck_crc32c(uint32_t crc, const void *bytes, size_t n);
// The same by tables alone, for tests.
uint32_t ck_crc32c_portable(uint32_t crc, const void *bytes, size_t n);
