#include "supervisor/options.h"

#define AT(field) .offset = OPT_TARGET(struct options, field)

static const struct opt rows[] = {
    {NULL, "config", OPT_PATH, .arg = "FILE", .help = "kith.conf of the installation to run", AT(config),
     .required = true},
    {NULL, "test", OPT_BOOL, .letter = 't', .help = "check the configuration and what it names, and end", AT(test)},
    {NULL, "json", OPT_BOOL, .needs = "test", .help = "the findings in JSON", AT(json)},
    {NULL, "accept-clock", OPT_BOOL,
     .help = "this machine's clock is right, whatever was signed last: once, after a start with a wrong one",
     AT(accept_clock)},
    {NULL, "libexec", OPT_PATH, .arg = "DIR", .help = "where kith-server and kith-signer are", AT(libexec),
     .hidden = true},
    {NULL, "stop", OPT_MS, 10, 600000, "15s", .help = "how long a process may take to end", AT(stop_ms),
     .hidden = true},
};

const struct manual_program options_program = {
    .name = "kithd",
    .synopsis = "--config FILE [-t [--json]] [--accept-clock]",
    .about = "runs an installation of Kith: its signers and its server",
    .rows = rows,
    .rows_n = ARRAY_LEN(rows),
};
