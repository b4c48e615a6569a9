// System calls that the C library's Swift module leaves out.
#pragma once
#include <stdint.h>

// The magic number of the file system that holds `path` (statfs(2)); -1 on failure.
int64_t ck_filesystem_type(const char *path);
// Makes everything written to the file system of an open file durable (syncfs(2)); 0, or -1 on failure.
int ck_sync_filesystem(int descriptor);
