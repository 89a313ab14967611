/* kithd's command line, as rows: read by main, and by the test that holds the manual page against it. */
#ifndef KITH_SUPERVISOR_OPTIONS_H
#define KITH_SUPERVISOR_OPTIONS_H

#include "base/manual.h"

struct options {
    const char *config;
    bool test;
    bool json; /* of -t */
    bool accept_clock;
    const char *libexec; /* hidden: where the tests' own programs are */
    int64_t stop_ms;     /* hidden */
};

extern const struct manual_program options_program;

#endif
