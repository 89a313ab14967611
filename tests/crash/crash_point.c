/* The crash points of a test build, and its clocks.  The plan, DIR/crash.plan beside kith.conf, is a table that the test fills with names and
 * that every process maps before its sandbox closes; it counts what was reached, says where to die, and how late it is. */
#include "base/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLOTS         63
#define STALL_STEP_MS 10

struct slot {
    char name[48]; /* empty: the end */
    atomic_uint reached, armed /* die when it was counted down to 0 */, died;
    atomic_uint stall_ms; /* how long it takes to get past it */
};

static struct plan {
    struct slot slots[SLOTS];
    int64_t off_s[3]; /* how far the clocks of the server and of the signers issuing and ledger are off */
    uint8_t unused[40];
} * map;
static int who;

/* glibc hands the arguments of main() to constructors. */
static void __attribute__((constructor)) open_plan(int argc, char **argv)
{
    char path[4096];
    const char *config = NULL;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--config") == 0)
            config = argv[i + 1];
        else if (strcmp(argv[i], "--domain") == 0)
            who = strcmp(argv[i + 1], "issuing") == 0 ? 1 : 2;
    const char *slash = config ? strrchr(config, '/') : NULL;
    if (!slash)
        return;
    snprintf(path, sizeof path, "%.*s/crash.plan", (int)(slash - config), config);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    map = p == MAP_FAILED ? NULL : p;
    close(fd);
}

/* Whether this is the time that was armed. */
static bool count(struct slot *s)
{
    unsigned left = atomic_load(&s->armed);
    atomic_fetch_add(&s->reached, 1);
    for (unsigned waited_ms = 0; waited_ms < atomic_load(&s->stall_ms); waited_ms += STALL_STEP_MS)
        nanosleep(&(struct timespec){.tv_nsec = STALL_STEP_MS * 1000000L}, NULL);
    while (left && !atomic_compare_exchange_weak(&s->armed, &left, left - 1))
        ;
    if (left == 1)
        atomic_fetch_add(&s->died, 1);
    return left == 1;
}

static bool is_due(const char *name)
{
    for (size_t i = 0; map && i < SLOTS && map->slots[i].name[0]; i++)
        if (strcmp(map->slots[i].name, name) == 0)
            return count(&map->slots[i]);
    return false;
}

void crash_point(const char *name)
{
    if (!is_due(name))
        return;
    for (;;)
        kill(getpid(), SIGKILL);
}

/* Stands before libc's, as clock_gettime() does: growing an array fails when "nomem" is due. */
void *reallocarray(void *p, size_t n, size_t size)
{
    size_t all;
    return is_due("nomem") || __builtin_mul_overflow(n, size, &all) ? NULL : realloc(p, all);
}

/* Stands before libc's for the whole program.  Waits that end by the wall clock would not see it, and hang: a test finds them. */
int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && map && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += map->off_s[who];
    return rc;
}
