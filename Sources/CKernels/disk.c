#define _GNU_SOURCE
#include "disk.h"
#include <sys/statfs.h>
#include <unistd.h>

int64_t ck_filesystem_type(const char *path) {
  struct statfs status;
  return statfs(path, &status) == 0 ? (int64_t)(uint32_t)status.f_type : -1;
}

int ck_sync_filesystem(int descriptor) { return syncfs(descriptor); }
