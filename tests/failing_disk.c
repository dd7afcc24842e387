/* Answers an error of the disk for every path that contains a marker, while a control file says so.
 *
 * Preloaded into a server by tests/failing_disk.py, which says what is refused: reads, writes, removals, or all of
 * them. The control file is mapped, so it is switched while the server runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ = 1, WRITE = 2, REMOVE = 4 };

struct control {
    int32_t number; /* the errno, 0 while the disk works */
    int32_t kinds;
    char marker[248];
};

static const volatile struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("FAILING_DISK_CONTROL");
    long file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, (int)file, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close((int)file);
}

/* Whether an operation on a path below a directory is refused; errno is set then. `path` NULL is the file itself. */
static int refuses(int kind, int directory, const char *path) {
    int number = control ? control->number : 0;
    if (!number || !(control->kinds & kind)) return 0;
    char whole[2 * PATH_MAX + 2] = "";
    if (!path || path[0] != '/') {
        char link[64];
        int before = errno;
        if (directory == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, whole, PATH_MAX);
        errno = before;
        if (length < 0) return 0;
        whole[length] = '/';
        whole[length + 1] = 0;
    }
    if (path) strncat(whole, path, PATH_MAX);
    if (!strstr(whole, (const char *)control->marker)) return 0;
    errno = number;
    return 1;
}

/* The one of two paths that contains the marker. */
static const char *pick(const char *from, const char *to) {
    return control && strstr(to, (const char *)control->marker) ? to : from;
}

/* name(parameters) that is refused for a kind, a directory and a path, and else does what it always does. */
#define WRAP(result, failure, name, parameters, arguments, kind, directory, path) \
    result name parameters {                                                      \
        static result(*real) parameters;                                          \
        if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name);          \
        return refuses(kind, directory, path) ? failure : real arguments;         \
    }

static int kind_of(int flags) { return flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC) ? WRITE : READ; }

static int mode_of(int flags, va_list list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; }

#define WRAP_OPEN(name)                                                        \
    int name(const char *path, int flags, ...) {                               \
        static int (*real)(const char *, int, ...);                            \
        if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        va_list list;                                                          \
        va_start(list, flags);                                                 \
        int mode = mode_of(flags, list);                                       \
        va_end(list);                                                          \
        return refuses(kind_of(flags), AT_FDCWD, path) ? -1 : real(path, flags, mode); \
    }
#define WRAP_OPENAT(name)                                                      \
    int name(int directory, const char *path, int flags, ...) {                \
        static int (*real)(int, const char *, int, ...);                       \
        if (!real) real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        va_list list;                                                          \
        va_start(list, flags);                                                 \
        int mode = mode_of(flags, list);                                       \
        va_end(list);                                                          \
        return refuses(kind_of(flags), directory, path) ? -1 : real(directory, path, flags, mode); \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP(void *, NULL, opendir, (const char *path), (path), READ, AT_FDCWD, path)
WRAP(int, -1, access, (const char *path, int mode), (path, mode), READ, AT_FDCWD, path)

WRAP(ssize_t, -1, read, (int file, void *data, size_t size), (file, data, size), READ, file, NULL)
WRAP(ssize_t, -1, pread64, (int file, void *data, size_t size, off64_t at), (file, data, size, at), READ, file, NULL)
WRAP(ssize_t, -1, write, (int file, const void *data, size_t size), (file, data, size), WRITE, file, NULL)
WRAP(int, -1, ftruncate64, (int file, off64_t size), (file, size), WRITE, file, NULL)
WRAP(int, -1, fsync, (int file), (file), WRITE, file, NULL)
WRAP(int, -1, fdatasync, (int file), (file), WRITE, file, NULL)

WRAP(int, -1, mkdir, (const char *path, unsigned mode), (path, mode), WRITE, AT_FDCWD, path)
WRAP(int, -1, mkdirat, (int directory, const char *path, unsigned mode), (directory, path, mode), WRITE, directory, path)
WRAP(int, -1, link, (const char *from, const char *to), (from, to), WRITE, AT_FDCWD, to)
WRAP(int, -1, rename, (const char *from, const char *to), (from, to), REMOVE, AT_FDCWD, pick(from, to))
WRAP(int, -1, unlink, (const char *path), (path), REMOVE, AT_FDCWD, path)
WRAP(int, -1, unlinkat, (int directory, const char *path, int flags), (directory, path, flags), REMOVE, directory, path)
WRAP(int, -1, rmdir, (const char *path), (path), REMOVE, AT_FDCWD, path)

WRAP(int, -1, stat, (const char *path, void *status), (path, status), READ, AT_FDCWD, path)
WRAP(int, -1, stat64, (const char *path, void *status), (path, status), READ, AT_FDCWD, path)
WRAP(int, -1, lstat, (const char *path, void *status), (path, status), READ, AT_FDCWD, path)
WRAP(int, -1, lstat64, (const char *path, void *status), (path, status), READ, AT_FDCWD, path)
WRAP(int, -1, fstatat, (int directory, const char *path, void *status, int flags), (directory, path, status, flags), READ, directory, path)
WRAP(int, -1, fstatat64, (int directory, const char *path, void *status, int flags), (directory, path, status, flags), READ, directory, path)
WRAP(int, -1, __xstat64, (int version, const char *path, void *status), (version, path, status), READ, AT_FDCWD, path)
WRAP(int, -1, __lxstat64, (int version, const char *path, void *status), (version, path, status), READ, AT_FDCWD, path)
