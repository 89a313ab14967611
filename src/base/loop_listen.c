#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

union address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static bool address_of(const char *host, uint16_t port, union address *a, socklen_t *n, struct err *e)
{
    *a = (union address){0};
    if (!host || strchr(host, ':')) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(port);
        *n = sizeof(a->v6);
        if (!host || inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1)
            return true;
    } else {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        *n = sizeof(a->v4);
        if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1)
            return true;
    }
    return err_set(e, ERR_HTTP_LISTEN, "%s is not an IPv4 or IPv6 address", ERR_QUOTE(slice_str(host)));
}

static bool listen_failed(int fd, const char *where, unsigned port, const char *what, struct err *e)
{
    int cause = errno;
    if (fd >= 0)
        close(fd);
    errno = cause;
    err_set(e, ERR_HTTP_LISTEN, "%s port %u: %s: %s", where, port, what, strerror(cause));
    if (cause == EADDRINUSE)
        err_try(e, "ss -ltnp shows who listens there; stop it or choose another port");
    else if (cause == EACCES)
        err_try(e, "ports below 1024 need CAP_NET_BIND_SERVICE");
    return false;
}

bool loop_listen_tcp(const char *host, uint16_t port, int *out, struct err *e)
{
    *out = -1;
    union address a;
    socklen_t n;
    if (!address_of(host, port, &a, &n, e))
        return false;
    const char *where = host ? host : "*";
    int on = 1, off = 0;
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_failed(fd, where, port, "socket", e);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (!host && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0))
        return listen_failed(fd, where, port, "option", e);
    if (bind(fd, &a.sa, n) != 0)
        return listen_failed(fd, where, port, "bind", e);
    if (listen(fd, BACKLOG) != 0)
        return listen_failed(fd, where, port, "listen", e);
    *out = fd;
    return true;
}

bool loop_listen_free(const char *host, uint16_t port, struct err *e)
{
    union address a;
    socklen_t n;
    if (!address_of(host, port, &a, &n, e))
        return false;
    int on = 1, off = 0;
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_failed(fd, host ? host : "*", port, "socket", e);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!host)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, &a.sa, n) != 0)
        return listen_failed(fd, host ? host : "*", port, "bind", e);
    close(fd);
    return true;
}

/* A socket file that nobody listens behind is left over from a process that was killed. */
static bool is_left_over(const union address *a)
{
    struct stat st;
    if (lstat(a->un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, &a->sa, sizeof(a->un)) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

bool loop_listen_unix(const char *path, unsigned mode, int *out, struct err *e)
{
    *out = -1;
    union address a = {.un = {.sun_family = AF_UNIX}};
    if (strlen(path) >= sizeof(a.un.sun_path))
        return err_set(e, ERR_HTTP_LISTEN, "the socket path %s is longer than %zu bytes", ERR_QUOTE(slice_str(path)),
                       sizeof(a.un.sun_path) - 1);
    memcpy(a.un.sun_path, path, strlen(path) + 1);
    if (is_left_over(&a))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* fchmod before bind gives the file its mode from the first moment on Linux (less the umask). */
    if (fd < 0 || fchmod(fd, mode) != 0 || bind(fd, &a.sa, sizeof(a.un)) != 0 || chmod(path, mode) != 0 ||
        listen(fd, BACKLOG) != 0) {
        err_set(e, ERR_HTTP_LISTEN, "socket %s: %s", ERR_QUOTE(slice_str(path)), strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    *out = fd;
    return true;
}

bool loop_adopt(int fd, struct err *e)
{
    int listens = 0, type = 0, on = 1;
    socklen_t n = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0)
        return err_set(e, ERR_HTTP_LISTEN, "descriptor %d is no socket: %s", fd, strerror(errno));
    if (!listens || type != SOCK_STREAM)
        return err_set(e, ERR_HTTP_LISTEN, "descriptor %d is not a listening stream socket", fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

bool loop_port(int fd, uint16_t *port, struct err *e)
{
    *port = 0;
    union address a;
    socklen_t n = sizeof(a);
    if (getsockname(fd, &a.sa, &n) != 0)
        return err_set(e, ERR_HTTP_LISTEN, "descriptor %d: %s", fd, strerror(errno));
    if (a.sa.sa_family == AF_INET)
        *port = ntohs(a.v4.sin_port);
    else if (a.sa.sa_family == AF_INET6)
        *port = ntohs(a.v6.sin6_port);
    return true;
}
