#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_MAX 256

bool notify_send(const char *socket_path, const char *text, struct err *e)
{
    if (!socket_path || !*socket_path)
        return true;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = strlen(socket_path);
    if ((socket_path[0] != '/' && socket_path[0] != '@') || n >= sizeof sa.sun_path)
        return err_set(e, ERR_USAGE, "NOTIFY_SOCKET is \"%s\", neither a path nor an abstract name",
                       ERR_QUOTE(slice_str(socket_path)));
    memcpy(sa.sun_path, socket_path, n);
    if (sa.sun_path[0] == '@') /* abstract: the name begins with a NUL and has no end but the length */
        sa.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot make a socket: %m");
    size_t len = strlen(text);
    ssize_t done = sendto(fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&sa,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    bool ok = done == (ssize_t)len || err_set(e, ERR_IO, "cannot tell systemd: %m");
    close(fd);
    return ok;
}

bool notify_ready(const char *socket_path, struct err *e)
{
    return notify_send(socket_path, "READY=1", e);
}

bool notify_stopping(const char *socket_path, struct err *e)
{
    return notify_send(socket_path, "STOPPING=1", e);
}

bool notify_watchdog(const char *socket_path, struct err *e)
{
    return notify_send(socket_path, "WATCHDOG=1", e);
}

bool notify_status(const char *socket_path, struct err *e, const char *fmt, ...)
{
    char text[STATUS_MAX] = "STATUS=";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + 7, sizeof text - 7, fmt, ap);
    va_end(ap);
    /* A newline would begin another assignment. */
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' ';
    return notify_send(socket_path, text, e);
}

int64_t notify_watchdog_interval_ms(const char *watchdog_usec)
{
    char *end;
    if (!watchdog_usec || *watchdog_usec < '0' || *watchdog_usec > '9')
        return 0;
    errno = 0;
    long long usec = strtoll(watchdog_usec, &end, 10);
    return *end || errno ? 0 : usec / 2000;
}
