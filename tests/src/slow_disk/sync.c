/* A disk that is slow to sync: every call that waits for the disk takes DELAY_S longer while the file that SLOW_DISK names
 * is there, and does not end while that file holds anything. To be loaded before the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_disk(void) {
    const char *slow = getenv("SLOW_DISK");
    struct timespec delay = {DELAY_S, 0};
    struct timespec look = {0, 20000000};
    struct stat file;
    if (!slow || stat(slow, &file) != 0)
        return;
    if (file.st_size == 0)
        nanosleep(&delay, NULL);
    while (stat(slow, &file) == 0 && file.st_size > 0)
        nanosleep(&look, NULL);
}

int fsync(int file) {
    wait_for_the_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
    wait_for_the_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}

int msync(void *at, size_t length, int flags) {
    wait_for_the_disk();
    return ((int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync"))(at, length, flags);
}

int sync_file_range(int file, off64_t from, off64_t length, unsigned flags) {
    wait_for_the_disk();
    return ((int (*)(int, off64_t, off64_t, unsigned))dlsym(RTLD_NEXT, "sync_file_range"))(file, from, length, flags);
}
