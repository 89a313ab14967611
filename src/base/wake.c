#include "base/wake.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define HELD_MAX 32 /* a thread with more to wake wakes the others at once */

static _Thread_local struct {
    bool holding;
    size_t n;
    int fd[HELD_MAX];
} mine;

/* Fails only when the counter is full, and then the reader is awake. */
static void raise_fd(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void wake_fd(int fd)
{
    for (size_t i = 0; i < mine.n; i++)
        if (mine.fd[i] == fd)
            return;
    if (mine.holding && mine.n < HELD_MAX)
        mine.fd[mine.n++] = fd;
    else
        raise_fd(fd);
}

void wake_hold(void)
{
    mine.holding = true;
}

void wake_release(void)
{
    for (size_t i = 0; i < mine.n; i++)
        raise_fd(mine.fd[i]);
    mine.n = 0;
    mine.holding = false;
}
