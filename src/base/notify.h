/* Tells systemd how we are (sd_notify(3)), without libsystemd.  The caller hands in $NOTIFY_SOCKET; with NULL or "" every
 * call does nothing and succeeds. */
#ifndef KITH_BASE_NOTIFY_H
#define KITH_BASE_NOTIFY_H

#include "core/err.h"

MUST_USE bool notify_send(const char *socket_path, const char *text, struct err *e);
MUST_USE bool notify_ready(const char *socket_path, struct err *e);
MUST_USE bool notify_stopping(const char *socket_path, struct err *e);
MUST_USE bool notify_watchdog(const char *socket_path, struct err *e);
MUST_USE bool notify_status(const char *socket_path, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* How often to send the watchdog, in ms: half of $WATCHDOG_USEC as handed in; 0 if none is wanted. */
int64_t notify_watchdog_interval_ms(const char *watchdog_usec);

#endif
