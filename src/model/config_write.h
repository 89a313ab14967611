/* mosquitto.conf without the broker's known traps (mosquitto 2.0.11), and what is wrong with an existing one. */
#ifndef KITH_MODEL_CONFIG_WRITE_H
#define KITH_MODEL_CONFIG_WRITE_H

#include "base/buf.h"

struct config_write {
    const char *plugin;   /* path of kith_mosquitto.so */
    const char *gate_dir; /* where gate.conf is */
    const char *ca;       /* PEM file: who issues device certificates (issuing CA and root) */
    const char *cert;     /* the broker's own chain */
    const char *key;
    const char *user; /* as whom it goes on when root starts it; NULL: the broker's own choice */
    const char *bind; /* address; NULL: all */
    int port;         /* 8883 if 0 */
};

/* Errors: usage (a path with a line end), limit. */
MUST_USE bool config_write_mosquitto(const struct config_write *c, struct buf *out, struct err *e);

#define CONFIG_TRAPS_MAX 32

struct config_trap {
    unsigned line;    /* 0: something is missing */
    const char *what; /* static text */
};

/* Finds what lets clients pass the plugin or breaks it.  *n counts what stands in out. */
void config_check_mosquitto(struct slice text, struct config_trap out[CONFIG_TRAPS_MAX], size_t *n);

#endif
