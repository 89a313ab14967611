#include "keys/pin_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/secret.h"

void pin_mark_of(const char *pin_file, char out[PIN_MARK_MAX])
{
    struct stat st;
    char where[4096];
    struct err ignored;
    memset(out, 0, PIN_MARK_MAX);
    if (pin_file && secret_file_path(pin_file, where, sizeof where, &ignored) && stat(where, &st) == 0)
        snprintf(out, PIN_MARK_MAX, "inode %llu size %lld changed %lld.%09ld", (unsigned long long)st.st_ino,
                 (long long)st.st_size, (long long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
}

/* Root may look at an installation that another user runs: what it makes is that user's. */
static void give_to_owner(int fd, const char *path)
{
    struct stat st;
    char dir[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (geteuid() != 0 || n == 0 || n >= sizeof dir)
        return;
    memcpy(dir, path, n);
    dir[n] = 0;
    if (stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) != 0)
        return; /* then it is root's, and the owner is told that it cannot be opened */
}

bool pin_mark_open(const char *mark_file, const char *pin_file, struct pin_mark *out, struct err *e)
{
    *out = (struct pin_mark){.fd = -1};
    if (!mark_file || !pin_file)
        return true;
    struct pin_mark m = {.fd = open(mark_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (m.fd < 0) {
        err_set(e, ERR_IO, "\"%s\": %s", ERR_QUOTE(slice_str(mark_file)), strerror(errno));
        return err_why(e, "it remembers a PIN that was refused; without it one could be tried until the token locks");
    }
    give_to_owner(m.fd, mark_file);
    pin_mark_of(pin_file, m.pin);
    snprintf(m.path, sizeof m.path, "%s", pin_file);
    *out = m;
    return true;
}

bool pin_mark_begin(struct pin_mark *m)
{
    char stored[PIN_MARK_MAX] = {0};
    if (m->fd < 0)
        return false;
    while (flock(m->fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    return m->pin[0] && pread(m->fd, stored, sizeof stored, 0) == (ssize_t)sizeof stored &&
           memcmp(stored, m->pin, sizeof stored) == 0;
}

void pin_mark_end(struct pin_mark *m, bool tried, bool refused)
{
    static const char none[PIN_MARK_MAX] = {0};
    if (m->fd < 0)
        return;
    /* Not written (a full disk): kithd and the agent still wait for another PIN file. */
    if (tried && pwrite(m->fd, refused ? m->pin : none, PIN_MARK_MAX, 0) == PIN_MARK_MAX && refused)
        (void)!fdatasync(m->fd);
    flock(m->fd, LOCK_UN);
}

void pin_mark_close(struct pin_mark *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}
