/* Records what a process asks of the files below a folder, in the order of its calls, with the bytes written.
 *
 * Loaded before the C library (LD_PRELOAD). RECORD_UNDER is the folder, RECORD_LOG the file of the record: for
 * each call that succeeded a line "KIND OFFSET LENGTH PATH", then LENGTH bytes. C is a name that is opened to be
 * made, W a write, T a length that is set (OFFSET), S a sync of a file or folder, R a rename, L a link (the bytes
 * are the new name), U a name that is removed, A what is said (standard output and error). Paths are those of the
 * moment. Children record nothing. What the C library writes by itself (stdio) and memory maps are not seen:
 * SQLite and Python's files use neither for what must survive.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int out = -1;
static pid_t owner;
static char under[PATH_MAX];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* one call at a time: their order is the record's */
static ssize_t (*put)(int, const void *, size_t);

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("RECORD_UNDER"), *log = getenv("RECORD_LOG");
    put = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!folder || !log) return;
    snprintf(under, sizeof under, "%s/", folder);
    int made = open(log, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    owner = getpid();
    out = made;
    unsetenv("RECORD_LOG");
    unsetenv("LD_PRELOAD");
}

static int recording(void) { return out >= 0 && getpid() == owner; }

static void note(char kind, long long offset, size_t length, const char *path, const void *bytes)
{
    char line[PATH_MAX + 64];
    int n = snprintf(line, sizeof line, "%c %lld %zu %s\n", kind, offset, length, path);
    if (put(out, line, (size_t)n) != n || (length && put(out, bytes, length) != (ssize_t)length)) abort();
}

/* The absolute path of a name, if it lies below the folder; the folder itself counts. */
static const char *seen(int at, const char *name, char *path)
{
    char folder[PATH_MAX] = "", link[64];
    if (name[0] != '/') {
        snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        ssize_t n = readlink(link, folder, sizeof folder - 2);
        if (n < 0) return NULL;
        folder[n] = '/';
        folder[n + 1] = 0;
    }
    if (snprintf(path, PATH_MAX, "%s%s", folder, name) >= PATH_MAX) return NULL;
    return strncmp(path, under, strlen(under)) ? NULL : path;
}

static const char *of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 2);
    if (n < 0) return NULL;
    path[n] = 0;
    if (!strncmp(path, under, (size_t)n) && under[n] == '/' && !under[n + 1]) return path; /* the folder */
    return strncmp(path, under, strlen(under)) ? NULL : path;
}

#define CALL(type, made, then) \
    do { \
        if (!recording()) return made; \
        pthread_mutex_lock(&turn); \
        type done = made; \
        char path[PATH_MAX], other[PATH_MAX]; \
        (void)path; (void)other; \
        if (done >= 0) { then; } \
        pthread_mutex_unlock(&turn); \
        return done; \
    } while (0)

#define WROTE(offset) \
    if (fd == 1 || fd == 2) note('A', 0, (size_t)done, "-", data); \
    else if (of(fd, path)) note('W', offset, (size_t)done, path, data)

ssize_t write(int fd, const void *data, size_t n) /* the offset afterwards is right for O_APPEND as well */
{ REAL(write); CALL(ssize_t, real(fd, data, n), WROTE((long long)lseek(fd, 0, SEEK_CUR) - done)); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t to)
{ REAL(pwrite); CALL(ssize_t, real(fd, data, n, to), WROTE((long long)to)); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t to)
{ REAL(pwrite64); CALL(ssize_t, real(fd, data, n, to), WROTE((long long)to)); }

#define SYNCED if (of(fd, path)) note('S', 0, 0, path, NULL)
int fsync(int fd) { REAL(fsync); CALL(int, real(fd), SYNCED); }
int fdatasync(int fd) { REAL(fdatasync); CALL(int, real(fd), SYNCED); }

#define CUT if (of(fd, path)) note('T', (long long)n, 0, path, NULL)
int ftruncate(int fd, off_t n) { REAL(ftruncate); CALL(int, real(fd, n), CUT); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); CALL(int, real(fd, n), CUT); }

#define NAMED(kind, f, g) \
    if (seen(f, a, path) && seen(g, b, other)) note(kind, 0, strlen(other), path, other)
int rename(const char *a, const char *b)
{ REAL(rename); CALL(int, real(a, b), NAMED('R', AT_FDCWD, AT_FDCWD)); }
int link(const char *a, const char *b)
{ REAL(link); CALL(int, real(a, b), NAMED('L', AT_FDCWD, AT_FDCWD)); }
int linkat(int f, const char *a, int g, const char *b, int how)
{ REAL(linkat); CALL(int, real(f, a, g, b, how), NAMED('L', f, g)); }

#define GONE(f) if (seen(f, a, path)) note('U', 0, 0, path, NULL)
int unlink(const char *a) { REAL(unlink); CALL(int, real(a), GONE(AT_FDCWD)); }
int unlinkat(int fd, const char *a, int how) { REAL(unlinkat); CALL(int, real(fd, a, how), GONE(fd)); }

#define MODE(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }
#define OPENED \
    if ((flags & (O_CREAT | O_TRUNC)) && of(done, path)) { \
        note('C', 0, 0, path, NULL); \
        if (flags & O_TRUNC) note('T', 0, 0, path, NULL); \
    }
int open(const char *a, int flags, ...)
{ MODE(flags) REAL(open); CALL(int, real(a, flags, mode), OPENED); }
int open64(const char *a, int flags, ...)
{ MODE(flags) REAL(open64); CALL(int, real(a, flags, mode), OPENED); }
int openat(int fd, const char *a, int flags, ...)
{ MODE(flags) REAL(openat); CALL(int, real(fd, a, flags, mode), OPENED); }
