/* Hosts as URLs, certificates and settings name them: by a name or by an address.  Nothing is looked up. */
#ifndef KITH_BASE_HOST_H
#define KITH_BASE_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "core/cc.h"
#include "core/err.h"
#include "core/slice.h"

/* Of an address as text, without brackets: its 4 or 16 bytes and their number; 0 if it is none. */
size_t host_address(struct slice text, uint8_t out[16]);
/* A name as dNSName may hold it (RFC 5280 section 4.2.1.6, RFC 1123 section 2.1): no wildcard, no address as text.
 * Errors: ERR_SAN. */
MUST_USE bool host_check_name(struct slice name, struct err *e);
/* A name, or an address.  Errors: ERR_SAN. */
MUST_USE bool host_check(struct slice host, struct err *e);
/* The host of SCHEME://HOST[:PORT][/PATH], an IPv6 address without its brackets. */
struct slice host_of_url(const char *url);

#endif
