#include "supervisor/socket_file.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/frame.h"
#include "base/log.h"

#define LISTEN_WAIT_MS  20000
#define LISTEN_RETRY_MS 100

/* What is there already stays as it is unless this succeeds. */
static bool listen_once(struct socket_file *s, struct err *e)
{
    struct stat st;
    int fd;
    if (!frame_listen(s->path, &fd, e))
        return false;
    if (lstat(s->path, &st) != 0) {
        file_close(&fd);
        return err_set(e, ERR_IO, "\"%s\" went as it came: %m", ERR_QUOTE(slice_str(s->path)));
    }
    file_close(&s->fd);
    *s = (struct socket_file){.path = s->path, .fd = fd, .dev = st.st_dev, .ino = st.st_ino};
    return true;
}

/* With the lock in hand, a socket that still answers belongs to the signer of a kithd that was killed, and that signer is
 * on its way out: wait for it. */
bool socket_file_listen_patiently(struct socket_file *s, const struct env *env, struct err *e)
{
    int64_t deadline = env_mono_ms(env) + LISTEN_WAIT_MS;
    for (bool said = false; !listen_once(s, e); said = true) {
        if (e->code != ERR_LOCKED || env_mono_ms(env) >= deadline)
            return false;
        if (!said)
            LOG(env, NOTICE, "kithd", "waiting for a signer of an earlier kithd to end", log_str("socket", s->path));
        poll(NULL, 0, LISTEN_RETRY_MS);
    }
    return true;
}

bool socket_file_is_there(const struct socket_file *s)
{
    struct stat st;
    return lstat(s->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
           (s->fd < 0 || (st.st_dev == s->dev && st.st_ino == s->ino));
}

bool socket_file_renew(struct socket_file *s, struct err *e)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(s->path, '/');
    if (s->fd >= 0)
        return listen_once(s, e);
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - s->path) + 1 : 0, s->path);
    return access(dir, W_OK | X_OK) == 0 || err_set(e, ERR_IO, "\"%s\": %m", ERR_QUOTE(slice_str(dir)));
}

void socket_file_close(struct socket_file *s)
{
    file_close(&s->fd);
}
