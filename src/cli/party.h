/* A party of the platform, operator or gateway: its key is made here and never leaves; what goes to the platform is a request.
 * Each gets a directory of its own: key.pem, cert.pem (the certificate, then its issuers), for gateways gate.conf and the issuers
 * too. */
#ifndef KITH_CLI_PARTY_H
#define KITH_CLI_PARTY_H

#include "cli/cli.h"
#include "cli/show.h"
#include "keys/key.h"

#define PARTY_HOSTS_MAX 16

struct party_opts {
    const char *role, *site, *out, *url, *csr, *user;
    struct opt_list hostnames;
    int key_type;
};

extern const char *const party_key_words[];

/* Rows of a struct that has these fields. */
#define PARTY_OUT_ROW(type)                                                                                            \
    {                                                                                                                  \
        NULL, "out", OPT_PATH, .arg = "DIR", .help = "where its key and certificate go (NAME)",                        \
                               .offset = offsetof(type, out)                                                           \
    }
#define PARTY_KEY_ROW(type)                                                                                            \
    {                                                                                                                  \
        NULL, "key-type", OPT_ENUM, .def = "p256", .words = party_key_words, .arg = "TYPE", .help = "of its key",      \
                                    .offset = offsetof(type, key_type)                                                 \
    }

/* Makes the key, asks for the certificate at `path`; *answer is the platform's, its text in `reply`. */
MUST_USE bool party_certify(struct cli *cli, const char *path, const char *name, const struct party_opts *o,
                            const char *dir, struct buf *reply, struct json **answer, struct err *e);
/* The last of its files: a directory without it is one of a broken try. */
MUST_USE bool party_write_cert(struct cli *cli, const char *dir, const struct json *answer, struct err *e);
/* Says where it is. */
MUST_USE bool party_finish(struct cli *cli, const char *dir, const struct json *answer, struct err *e);
/* A request for this key, as PEM; hosts NULL: none. */
MUST_USE bool party_put_csr(const char *name, const struct opt_list *hosts, struct key *k, struct buf *pem,
                            struct err *e);
const char *party_file(struct cli *cli, const char *dir, const char *name);

/* The verbs ls and rm, which those of anchors are like too. */
MUST_USE bool party_drop(struct cli *cli, const char *path, const char *name, struct err *e);
#define PARTY_LIST(what, path, member, columns)                                                                        \
    static bool run_##what##_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)            \
    {                                                                                                                  \
        (void)opts;                                                                                                    \
        (void)words;                                                                                                   \
        return show_get(ctx, path, member, columns, ARRAY_LEN(columns), e);                                            \
    }                                                                                                                  \
    static bool run_##what##_rm(void *ctx, const void *opts, const struct args_words *words, struct err *e)            \
    {                                                                                                                  \
        (void)opts;                                                                                                    \
        return party_drop(ctx, path "/", words->v[0], e);                                                              \
    }

#endif
