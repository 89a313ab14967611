/* What devices ask beside enrolment. */
#ifndef KITH_SERVER_DOORS_DEVICE_H
#define KITH_SERVER_DOORS_DEVICE_H

#include "server/app.h"

extern const struct http_route device_routes[];
extern const size_t device_routes_n;

#endif
