/* Counts the calls by which a process leaves something behind, and breaks one of them.
 *
 * Loaded before the C library (LD_PRELOAD). FAULTS_ROLE says whose calls count: "coordinator", the process that
 * got the variable, or "worker", one of multiprocessing's children. FAULTS_LOG names a file: a line for each
 * call. FAULTS_KIND and FAULTS_AT break the call of that number, from 1: "kill" ends the process before it,
 * "eio" and "eintr" fail it once, "short" does half of a write, "full" fails it and what needs room after it.
 * A process that forks others to be counted calls faults_arm() in each.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE, KILL, EIO_ONCE, EINTR_ONCE, SHORT, FULL };

static atomic_long calls;
static atomic_int kind = NONE, armed = 0;
static long at;
static int record = -1;
static pid_t owner; /* a child that is forked and not loaded anew is not counted */

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_worker(void)
{
    static char line[4096];
    int fd = (int)open("/proc/self/cmdline", O_RDONLY);
    long n = fd < 0 ? 0 : (long)read(fd, line, sizeof line - 1);
    close(fd);
    for (long i = 0; i < n; i++)
        if (!line[i]) line[i] = ' ';
    return strstr(line, "spawn_main") != NULL;
}

void faults_arm(void)
{
    const char *role = getenv("FAULTS_ROLE"), *name = getenv("FAULTS_KIND"), *number = getenv("FAULTS_AT");
    const char *path = getenv("FAULTS_LOG");
    if (!role || strcmp(role, is_worker() ? "worker" : "coordinator")) return;
    if (!strcmp(role, "worker")) { /* the first worker only, or those that replace it would break as well */
        const char *once = getenv("FAULTS_ONCE");
        int fd = once ? (int)open(once, O_CREAT | O_EXCL | O_WRONLY, 0600) : -1;
        if (fd < 0) return;
        close(fd);
    }
    const char *kinds[] = {"none", "kill", "eio", "eintr", "short", "full"};
    kind = NONE;
    for (int i = 0; name && i < 6; i++)
        if (!strcmp(name, kinds[i])) kind = i;
    at = number ? atol(number) : 0;
    record = path ? (int)open(path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600) : -1;
    calls = 0;
    owner = getpid();
    armed = 1;
    if (!strcmp(role, "coordinator")) unsetenv("FAULTS_ROLE"); /* its children are none */
}

__attribute__((constructor)) static void begin(void)
{
    if (!getenv("FAULTS_WAIT")) faults_arm();
    unsetenv("FAULTS_WAIT"); /* the workers of who waits do not wait */
}

/* Tell what shall happen to this call: 0 nothing, else an errno, or -1 for a short write. */
static int fate(const char *name, const char *where, int needs_room, int is_write)
{
    if (!armed || getpid() != owner) return 0;
    long n = ++calls;
    if (record >= 0) {
        char line[512];
        int length = snprintf(line, sizeof line, "%ld %s %s\n", n, name, where ? where : "");
        ssize_t (*out)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        out(record, line, (size_t)length);
    }
    if (kind == FULL && n >= at && needs_room) return ENOSPC;
    if (n != at) return 0;
    switch (kind) {
    case KILL: kill(getpid(), SIGKILL); return 0;
    case EIO_ONCE: return is_write && !needs_room ? 0 : EIO; /* pipes have no disk */
    case EINTR_ONCE: return EINTR;
    case SHORT: return is_write ? -1 : 0;
    }
    return 0;
}

static const char *path_of(int fd)
{
    static _Thread_local char path[400];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = armed ? readlink(link, path, sizeof path - 1) : 0;
    path[n > 0 ? n : 0] = 0;
    return path;
}

static int is_file(int fd)
{
    struct stat about;
    return fd > 2 && !fstat(fd, &about) && S_ISREG(about.st_mode); /* what is said goes elsewhere */
}

static int is_whole(int fd, size_t n) /* what a pipe takes in one piece (POSIX, PIPE_BUF) */
{
    struct stat about;
    return n <= PIPE_BUF && !fstat(fd, &about) && S_ISFIFO(about.st_mode);
}

#define BREAK(name, where, room, failed) \
    do { int why = fate(name, where, room, 0); if (why > 0) { errno = why; return failed; } } while (0)

#define WRITES(name, fd, whole, half) \
    do { \
        int why = fate(name, path_of(fd), is_file(fd), 1); \
        if (why > 0) { errno = why; return -1; } \
        if (why < 0) return half; \
        return whole; \
    } while (0)

ssize_t write(int fd, const void *data, size_t n)
{ REAL(write); WRITES("write", fd, real(fd, data, n), real(fd, data, n > 1 && !is_whole(fd, n) ? n / 2 : n)); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t to)
{ REAL(pwrite); WRITES("pwrite", fd, real(fd, data, n, to), real(fd, data, n > 1 ? n / 2 : n, to)); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t to)
{ REAL(pwrite64); WRITES("pwrite", fd, real(fd, data, n, to), real(fd, data, n > 1 ? n / 2 : n, to)); }
ssize_t writev(int fd, const struct iovec *parts, int n)
{ REAL(writev); WRITES("writev", fd, real(fd, parts, n), real(fd, parts, n > 1 ? n / 2 : n)); }
ssize_t send(int fd, const void *data, size_t n, int how)
{ REAL(send); WRITES("send", fd, real(fd, data, n, how), real(fd, data, n > 1 ? n / 2 : n, how)); }
ssize_t sendmsg(int fd, const struct msghdr *message, int how)
{ REAL(sendmsg); WRITES("sendmsg", fd, real(fd, message, how), real(fd, message, how)); }

size_t fwrite(const void *data, size_t size, size_t n, FILE *file)
{
    REAL(fwrite);
    int why = fate("fwrite", path_of(fileno(file)), is_file(fileno(file)), 1);
    if (why > 0) { errno = why; return 0; }
    return why < 0 && n > 1 ? real(data, size, n / 2, file) : real(data, size, n, file);
}

int fsync(int fd) { REAL(fsync); BREAK("fsync", path_of(fd), 1, -1); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); BREAK("fdatasync", path_of(fd), 1, -1); return real(fd); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); BREAK("ftruncate", path_of(fd), 1, -1); return real(fd, n); }
int ftruncate64(int fd, off64_t n)
{ REAL(ftruncate64); BREAK("ftruncate", path_of(fd), 1, -1); return real(fd, n); }
int rename(const char *a, const char *b) { REAL(rename); BREAK("rename", b, 1, -1); return real(a, b); }
int link(const char *a, const char *b) { REAL(link); BREAK("link", b, 1, -1); return real(a, b); }
int linkat(int f, const char *a, int g, const char *b, int how)
{ REAL(linkat); BREAK("link", b, 1, -1); return real(f, a, g, b, how); }
int unlink(const char *a) { REAL(unlink); BREAK("unlink", a, 0, -1); return real(a); }
int unlinkat(int fd, const char *a, int how) { REAL(unlinkat); BREAK("unlink", a, 0, -1); return real(fd, a, how); }
int mkdir(const char *a, mode_t mode) { REAL(mkdir); BREAK("mkdir", a, 1, -1); return real(a, mode); }
int rmdir(const char *a) { REAL(rmdir); BREAK("rmdir", a, 0, -1); return real(a); }

#define WRITING(flags) ((flags) & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR))
#define MODE(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *a, int flags, ...)
{ MODE(flags) REAL(open); if (WRITING(flags)) BREAK("open", a, flags & O_CREAT, -1); return real(a, flags, mode); }
int open64(const char *a, int flags, ...)
{ MODE(flags) REAL(open64); if (WRITING(flags)) BREAK("open", a, flags & O_CREAT, -1); return real(a, flags, mode); }
int openat(int fd, const char *a, int flags, ...)
{ MODE(flags) REAL(openat); if (WRITING(flags)) BREAK("open", a, flags & O_CREAT, -1); return real(fd, a, flags, mode); }
