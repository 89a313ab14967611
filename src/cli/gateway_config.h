/* The verb `gateway config`, whose row stands with the others of gateways (gateway.c). */
#ifndef KITH_CLI_GATEWAY_CONFIG_H
#define KITH_CLI_GATEWAY_CONFIG_H

#include "base/args.h"

struct gateway_config_opts {
    const char *gate, *plugin, *bind, *out, *check, *user;
    int64_t port;
};

#define GATEWAY_CONFIG_ROWS 7
extern const struct opt gateway_config_rows[GATEWAY_CONFIG_ROWS];
bool gateway_config_run(void *ctx, const void *opts, const struct args_words *words, struct err *e);

#endif
