/* Faults that only the system can make, for a service that is run with LD_PRELOAD.
 *
 * SHIM_EIO=FILE     while FILE exists, fsync and fdatasync of the database fail with EIO
 * SHIM_DIE=FILE     if FILE exists when the write-ahead log is written, remove it and kill -9
 *                   the process before the write
 * SHIM_DIE_AT_SYNC=FILE  the same at its fsync: the write is done, but not certain
 * SHIM_CLOCK=FILE   the first 8 bytes of FILE, a signed number of seconds, move the wall clock
 * SHIM_RECORD=FILE  append what is done to the database's files to FILE (see test_crash_power_cut.py)
 * SHIM_DATABASE=P   the database; its files are those whose path begins so
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *eio_file, *die_file, *die_at_sync_file, *database;
static size_t database_length;
static int record_fd = -1;
static volatile int64_t *clock_offset;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static void *real_pwrite64, *real_write, *real_ftruncate64, *real_fsync, *real_fdatasync,
    *real_open64, *real_unlink, *real_clock_gettime, *real_gettimeofday, *real_time;

static void *load(void **found, const char *name)
{
    if (!*found)
        *found = dlsym(RTLD_NEXT, name);
    return *found;
}
#define REAL(name) ((__typeof__(&name))load(&real_##name, #name))

/* the database's files */

static int ours(const char *path)
{
    size_t length = strlen(path);
    if (!database || strncmp(path, database, database_length))
        return 0;
    return !(length > 4 && !strcmp(path + length - 4, "-shm")) &&
           !(length > 5 && !strcmp(path + length - 5, "-lock"));
}

/* 1: a file of the database, 2: the directory it is in, 0: neither */
static int what_is(int fd, char *path)
{
    char link[64];
    ssize_t length;
    struct stat about;
    if (!database || fd < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0 || path[0] != '/')
        return 0;
    path[length] = 0;
    if (ours(path))
        return 1;
    if (!strncmp(path, database, length) && database[length] == '/' &&
        !strchr(database + length + 1, '/') && !fstat(fd, &about) && S_ISDIR(about.st_mode))
        return 2;
    return 0;
}

static void record(char operation, const char *path, uint64_t offset, const void *data,
                   size_t length)
{
    struct __attribute__((packed)) {
        char operation;
        uint16_t path_length;
        uint64_t offset, length;
    } head = {operation, strlen(path), offset, length};
    struct iovec parts[3] = {
        {&head, sizeof head}, {(void *)path, head.path_length}, {(void *)data, data ? length : 0}};
    if (record_fd >= 0 && writev(record_fd, parts, 3) < 0)
        abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *path;
    eio_file = getenv("SHIM_EIO");
    die_file = getenv("SHIM_DIE");
    die_at_sync_file = getenv("SHIM_DIE_AT_SYNC");
    database = getenv("SHIM_DATABASE");
    database_length = database ? strlen(database) : 0;
    if ((path = getenv("SHIM_RECORD")))
        record_fd = REAL(open64)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    record('O', "", 0, NULL, 0);
    if ((path = getenv("SHIM_CLOCK"))) {
        int fd = REAL(open64)(path, O_RDONLY | O_CLOEXEC);
        void *page = mmap(NULL, sizeof *clock_offset, PROT_READ, MAP_SHARED, fd, 0);
        clock_offset = page == MAP_FAILED ? NULL : page;
        close(fd);
    }
}

static void die_if(const char *file, const char *path)
{
    if (file && strstr(path, "-wal") && !access(file, F_OK)) {
        REAL(unlink)(file);
        kill(getpid(), SIGKILL);
    }
}

static ssize_t do_write(int fd, const void *data, size_t length, off64_t at, int positioned)
{
    char path[PATH_MAX];
    ssize_t written;
    if ((record_fd < 0 && !die_file) || what_is(fd, path) != 1)
        return positioned ? REAL(pwrite64)(fd, data, length, at)
                          : REAL(write)(fd, data, length);
    die_if(die_file, path);
    pthread_mutex_lock(&order);
    if (!positioned)
        at = lseek64(fd, 0, SEEK_CUR);
    written = positioned ? REAL(pwrite64)(fd, data, length, at) : REAL(write)(fd, data, length);
    if (written > 0)
        record('W', path, at, data, written);
    pthread_mutex_unlock(&order);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at)
{
    return do_write(fd, data, length, at, 1);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at)
{
    return do_write(fd, data, length, at, 1);
}

ssize_t write(int fd, const void *data, size_t length)
{
    return do_write(fd, data, length, 0, 0);
}

static int do_truncate(int fd, off64_t length)
{
    char path[PATH_MAX];
    int result;
    if (record_fd < 0 || what_is(fd, path) != 1)
        return REAL(ftruncate64)(fd, length);
    pthread_mutex_lock(&order);
    result = REAL(ftruncate64)(fd, length);
    if (!result)
        record('T', path, length, NULL, 0);
    pthread_mutex_unlock(&order);
    return result;
}

int ftruncate64(int fd, off64_t length) { return do_truncate(fd, length); }
int ftruncate(int fd, off_t length) { return do_truncate(fd, length); }

static int do_sync(int fd, int (*sync)(int))
{
    char path[PATH_MAX];
    int kind, result, failing;
    if ((record_fd < 0 && !eio_file && !die_at_sync_file) || !(kind = what_is(fd, path)))
        return sync(fd);
    die_if(die_at_sync_file, path);
    /* What was written before it begins is on disk when it has ended; if it fails, never. */
    pthread_mutex_lock(&order);
    record(kind == 1 ? 'S' : 'D', path, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    failing = eio_file && !access(eio_file, F_OK);
    result = failing ? -1 : sync(fd);
    pthread_mutex_lock(&order);
    record(result ? (kind == 1 ? 'e' : 'f') : (kind == 1 ? 's' : 'd'), path, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    if (failing)
        errno = EIO;
    return result;
}

int fsync(int fd) { return do_sync(fd, REAL(fsync)); }
int fdatasync(int fd) { return do_sync(fd, REAL(fdatasync)); }

static int do_open(const char *path, int flags, mode_t mode)
{
    int fd, is_new;
    if (record_fd < 0 || !(flags & O_CREAT) || !ours(path))
        return REAL(open64)(path, flags, mode);
    pthread_mutex_lock(&order);
    is_new = access(path, F_OK);
    fd = REAL(open64)(path, flags, mode);
    if (fd >= 0 && is_new)
        record('C', path, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return do_open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return do_open(path, flags, mode);
}

int unlink(const char *path)
{
    int result;
    if (record_fd < 0 || !ours(path))
        return REAL(unlink)(path);
    pthread_mutex_lock(&order);
    result = REAL(unlink)(path);
    if (!result)
        record('U', path, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return result;
}

/* the wall clock; the steady ones stay as they are, as when a person sets the time */

int clock_gettime(clockid_t which, struct timespec *now)
{
    int result = REAL(clock_gettime)(which, now);
    if (clock_offset && !result && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += *clock_offset;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int result = REAL(gettimeofday)(now, zone);
    if (clock_offset && !result)
        now->tv_sec += *clock_offset;
    return result;
}

time_t time(time_t *out)
{
    time_t now = REAL(time)(NULL) + (clock_offset ? *clock_offset : 0);
    if (out)
        *out = now;
    return now;
}
