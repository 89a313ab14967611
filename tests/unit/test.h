/* What every unit test includes: cmocka in the order that it wants, and the table row. */
#ifndef KITH_TESTS_UNIT_TEST_H
#define KITH_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/slice.h"

#define assert_ok(call, e)                                                                                             \
    do {                                                                                                               \
        if (!(call))                                                                                                   \
            fail_msg("%s: %s (%s)", #call, (e).what, (e).why);                                                         \
    } while (0)

#define assert_err(call, e, want)                                                                                      \
    do {                                                                                                               \
        if (call)                                                                                                      \
            fail_msg("%s: accepted", #call);                                                                           \
        if ((e).code != (want))                                                                                        \
            fail_msg("%s: %s, not %s: %s", #call, err_slug((e).code), err_slug(want), (e).what);                       \
    } while (0)

#define assert_slice(got, want)                                                                                        \
    do {                                                                                                               \
        struct slice got_ = (got), want_ = (want);                                                                     \
        assert_int_equal(got_.n, want_.n);                                                                             \
        if (want_.n)                                                                                                   \
            assert_memory_equal(got_.p, want_.p, want_.n);                                                             \
    } while (0)

#endif
