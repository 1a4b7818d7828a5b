/*
 * A disk and a wire that fail where they are told to (LD_PRELOAD).
 *
 * Every change that this process makes to a file below one folder, or every
 * message that it sends over a socket, is counted; the change with a given
 * number fails, or is the last thing that the process does. A process that
 * dies here dies as in a power cut, if it is told so: what was written and not
 * synced since is taken back, all of it or a part that the seed picks, as a
 * disk may do that orders its writes by itself. Between two of these calls
 * nothing changes that another process could find, so they are every place in
 * which a crash can differ.
 *
 * Orders come through a small file that both sides map (struct orders below,
 * and `disk.rs`). Files that are mapped (SQLite's -shm) are rebuilt after a
 * crash and are left alone; names (create, rename, unlink) are not taken back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault { NONE, DIE_BEFORE, DIE_AFTER, TEAR, FAIL_EIO, FAIL_ENOSPC };
enum loss { KEEP, LOSE_ALL, LOSE_SOME };

struct orders {
    uint64_t counted; /* changes so far */
    uint64_t first;   /* numbers of the changes that are hit; 0: none */
    uint64_t last;
    uint64_t fault;
    uint64_t loss;    /* what of the unsynced is lost with the process */
    uint64_t lies;    /* a sync says that it was done, and does nothing */
    uint64_t wire;    /* messages are counted, not the disk */
    uint64_t seed;
    uint64_t hits;
    uint64_t commits; /* only syncs and the message COMMIT are counted */
    char what[64];    /* the last that was hit */
    char folder[1024];
};

/* A change that is not synced yet, and what was there before. */
struct change {
    struct change *older;
    dev_t device;
    ino_t file;
    char path[1024];
    off_t at, size;   /* where, and how long the file was */
    size_t length, kept;
    int survives;
    char before[];
};

static struct orders *orders;
static struct change *changes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static ssize_t real_pwrite(int fd, const void *bytes, size_t length, off_t at) {
    REAL(pwrite64);
    return real(fd, bytes, length, at);
}

static int real_ftruncate(int fd, off_t length) {
    REAL(ftruncate64);
    return real(fd, length);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAILING_DISK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) orders = mapped;
}

static int below_folder(const char *path) {
    size_t length = strlen(orders->folder);
    return length && !strncmp(path, orders->folder, length) && path[length] == '/';
}

/* The path behind fd, if it is a file that we watch. */
static int watched(int fd, char *path, size_t room) {
    if (!orders) return 0;
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, room - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (orders->wire) return !strncmp(path, "socket:", 7);
    size_t end = length;
    if (end > 4 && !strcmp(path + end - 4, "-shm")) return 0;
    return below_folder(path);
}

static uint64_t roll(void) {
    orders->seed = orders->seed * 6364136223846793005u + 1442695040888963407u;
    return orders->seed >> 33;
}

/* Whether a later change that survives has bytes in common with this one. */
static int is_under_a_survivor(const struct change *lost) {
    for (struct change *later = changes; later != lost; later = later->older) {
        if (later->survives && later->device == lost->device && later->file == lost->file
            && later->at < lost->at + (off_t)lost->length
            && lost->at < later->at + (off_t)later->length)
            return 1;
    }
    return 0;
}

static void take_back(const struct change *lost) {
    int fd = open(lost->path, O_RDWR | O_CLOEXEC);
    struct stat now;
    if (fd < 0) return;
    if (!fstat(fd, &now) && now.st_ino == lost->file && now.st_dev == lost->device) {
        real_pwrite(fd, lost->before, lost->kept, lost->at);
        if (orders->loss == LOSE_ALL) {
            real_ftruncate(fd, lost->size);
        } else {
            /* What was never there before reads as zeros. */
            static const char zeros[4096];
            for (size_t done = lost->kept; done < lost->length; done += sizeof zeros) {
                size_t part = lost->length - done < sizeof zeros ? lost->length - done : sizeof zeros;
                real_pwrite(fd, zeros, part, lost->at + (off_t)done);
            }
        }
    }
    close(fd);
}

static void die(void) {
    for (struct change *one = changes; one && orders->loss != KEEP; one = one->older) {
        one->survives = orders->loss == LOSE_SOME && (roll() % 2 || is_under_a_survivor(one));
        if (!one->survives) take_back(one);
    }
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Before `fd` is changed: what is there now. */
static void note(int fd, const char *path, off_t at, size_t length) {
    struct stat now;
    if (orders->wire || fstat(fd, &now) || !S_ISREG(now.st_mode)) return;
    size_t kept = at < now.st_size ? (size_t)(now.st_size - at) : 0;
    if (kept > length) kept = length;
    struct change *one = malloc(sizeof *one + kept);
    if (!one) return;
    one->older = changes;
    one->device = now.st_dev;
    one->file = now.st_ino;
    snprintf(one->path, sizeof one->path, "%s", path);
    one->at = at;
    one->size = now.st_size;
    one->length = length;
    /* Not through another opening: its closing would drop SQLite's locks. What
     * is only open for writing is new, and nothing is kept of it. */
    ssize_t got = pread(fd, one->before, kept, at);
    one->kept = got < 0 ? 0 : (size_t)got;
    one->survives = 0;
    changes = one;
}

static void synced(int fd) {
    struct stat now;
    if (orders->lies || fstat(fd, &now)) return;
    for (struct change **at = &changes; *at;) {
        struct change *one = *at;
        if (one->device == now.st_dev && one->file == now.st_ino) {
            *at = one->older;
            free(one);
        } else {
            at = &one->older;
        }
    }
}

/* Counts a change; the fault that it meets. */
static enum fault meet(const char *call, const char *path, const char *bytes, size_t length) {
    int commits = orders->wire ? bytes && memmem(bytes, length, "COMMIT", 6) : call[0] == 's';
    if (orders->commits && !commits) return NONE;
    uint64_t number = ++orders->counted;
    if (!orders->first || number < orders->first || number > orders->last) return NONE;
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (orders->wire) name = commits ? "COMMIT" : "statement";
    snprintf(orders->what, sizeof orders->what, "%s %.40s", call, name);
    orders->hits++;
    if (orders->fault == DIE_BEFORE) die();
    return orders->fault;
}

static int failed(enum fault fault) {
    errno = fault == FAIL_EIO ? EIO : ENOSPC;
    return -1;
}

/* One change of a file or message, around the call that makes it. */
#define CHANGE(call, fd, bytes, length, at, real_call, real_half) \
    char path[1024]; \
    if (!watched(fd, path, sizeof path)) return real_call; \
    pthread_mutex_lock(&lock); \
    enum fault fault = meet(call, path, bytes, length); \
    ssize_t done; \
    if (fault >= FAIL_EIO) { \
        done = failed(fault); \
    } else { \
        note(fd, path, at, length); \
        done = fault == TEAR ? real_half : real_call; \
        if (fault != NONE) die(); \
    } \
    pthread_mutex_unlock(&lock); \
    return done

/* Disks write sectors of 512 bytes whole. */
static size_t half(size_t length) { return length / 2 / 512 * 512; }

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    CHANGE("write", fd, bytes, length, lseek(fd, 0, SEEK_CUR), real(fd, bytes, length),
           real(fd, bytes, half(length)));
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    CHANGE("write", fd, bytes, length, at, real_pwrite(fd, bytes, length, at),
           real_pwrite(fd, bytes, half(length), at));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return pwrite64(fd, bytes, length, at);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL(send);
    CHANGE("send", fd, bytes, length, 0, real(fd, bytes, length, flags),
           real(fd, bytes, length / 2, flags));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    CHANGE("write", fd, count ? parts[0].iov_base : NULL, count ? parts[0].iov_len : 0,
           lseek(fd, 0, SEEK_CUR), real(fd, parts, count), real(fd, parts, count / 2));
}

int ftruncate64(int fd, off64_t length) {
    struct stat now;
    off_t size = fstat(fd, &now) ? length : now.st_size;
    CHANGE("truncate", fd, NULL, size > length ? (size_t)(size - length) : 0, length,
           real_ftruncate(fd, length), real_ftruncate(fd, length));
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_with(int (*real)(int), int fd) {
    char path[1024];
    if (!watched(fd, path, sizeof path) || orders->wire) return real(fd);
    pthread_mutex_lock(&lock);
    enum fault fault = meet("sync", path, NULL, 0);
    int done;
    if (fault >= FAIL_EIO) {
        done = failed(fault);
    } else {
        /* On the real disk nothing needs to be safe: the process dies, not the
         * machine. What the disk would have kept is what stays in the file. */
        done = 0;
        synced(fd);
        if (fault != NONE) die();
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) {
    REAL(fsync);
    return sync_with(real, fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_with(real, fd);
}

/* One change of a name. */
#define NAME(call, name, real_call) \
    if (!orders || orders->wire || !below_folder(name)) return real_call; \
    pthread_mutex_lock(&lock); \
    enum fault fault = meet(call, name, NULL, 0); \
    int done = fault >= FAIL_EIO ? failed(fault) : (real_call); \
    if (fault != NONE && fault < FAIL_EIO) die(); \
    pthread_mutex_unlock(&lock); \
    return done

int rename(const char *old, const char *new) {
    REAL(rename);
    NAME("rename to", new, real(old, new));
}

int link(const char *old, const char *new) {
    REAL(link);
    NAME("link to", new, real(old, new));
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(linkat);
    NAME("link to", new, real(from, old, to, new, flags));
}

int unlink(const char *name) {
    REAL(unlink);
    NAME("unlink", name, real(name));
}
