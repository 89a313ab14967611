/* The crash points of a test build.  The plan, DIR/crash.plan beside kith.conf, is a table that the test fills with names and
 * that every process maps before its sandbox closes; it counts what was reached, and says where to die. */
#include "base/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 64

struct slot {
    char name[48]; /* empty: the end */
    atomic_uint reached, armed /* die when it was counted down to 0 */, died;
    uint32_t unused;
};

static struct slot *plan;

/* glibc hands the arguments of main() to constructors. */
static void __attribute__((constructor)) open_plan(int argc, char **argv)
{
    char path[4096];
    const char *config = NULL;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--config") == 0)
            config = argv[i + 1];
    const char *slash = config ? strrchr(config, '/') : NULL;
    if (!slash)
        return;
    snprintf(path, sizeof path, "%.*s/crash.plan", (int)(slash - config), config);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *p = mmap(NULL, SLOTS * sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    plan = p == MAP_FAILED ? NULL : p;
    close(fd);
}

static void count(struct slot *s)
{
    unsigned left = atomic_load(&s->armed);
    atomic_fetch_add(&s->reached, 1);
    while (left && !atomic_compare_exchange_weak(&s->armed, &left, left - 1))
        ;
    if (left != 1)
        return;
    atomic_fetch_add(&s->died, 1);
    for (;;)
        kill(getpid(), SIGKILL);
}

void crash_point(const char *name)
{
    for (size_t i = 0; plan && i < SLOTS && plan[i].name[0]; i++)
        if (strcmp(plan[i].name, name) == 0)
            count(&plan[i]);
}
