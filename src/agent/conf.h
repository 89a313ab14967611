/* agent.conf: what the agent is set to.  `enroll` writes it; an image may come with one that has everything but the device
 * in it (module, hook), and people may change it.  Values live in the arena. */
#ifndef KITH_AGENT_CONF_H
#define KITH_AGENT_CONF_H

#include "base/opt.h"
#include "core/crypto.h"
#include "keys/key.h"

#define CONF_FILE "agent.conf"

struct conf {
    /* [platform] */
    const char *url, *device, *root_sha256; /* lower-case hex; NULL before the first `enroll` */
    /* [key] */
    const char *store; /* "file", or a PKCS#11 URI whose object names the keys */
    int type;          /* index into conf_key_types */
    const char *passphrase_file, *module, *pin_file;
    /* [renew] */
    bool rekey;
    int64_t at_percent, hello_s;
    /* [hook] */
    struct opt_list command;
    int64_t hook_timeout_ms;
};

extern const char *const conf_key_types[];
extern const struct opt conf_rows[];
extern const size_t conf_rows_n;

/* Defaults if there is no file. */
MUST_USE bool conf_read(const char *path, struct arena *a, struct conf *out, struct err *e);
MUST_USE bool conf_write(const char *path, const struct conf *c, struct err *e);
enum key_type conf_key_type(const struct conf *c);
/* Errors: ERR_AGENT_STATE if `dir` has a credential or a claim, and agent.conf does not say for which platform. */
MUST_USE bool conf_check(const struct conf *c, const char *dir, struct err *e);
/* True if it names a platform and a device; *root gets the fingerprint. */
bool conf_is_enrolled(const struct conf *c, uint8_t root[SHA256_SIZE]);

#endif
