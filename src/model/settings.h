/* kith.conf: what one installation is set to.  Read by every process of it; `kith init` writes it.
 *
 * Paths may be relative to the directory that the file is in; they are absolute in the struct.  Everything lives in the
 * arena that was handed in. */
#ifndef KITH_MODEL_SETTINGS_H
#define KITH_MODEL_SETTINGS_H

#include "base/arena.h"
#include "base/opt.h"
#include "core/err.h"

#define SETTINGS_FILE          "kith.conf"
#define SETTINGS_HSM_PATHS_MAX 16
/* Of the server's certificate: how many names, the url's among them, and the letters of all. */
#define SETTINGS_HOSTS_MAX      16
#define SETTINGS_HOSTS_TEXT_MAX 400

struct settings {
    const char *file, *dir; /* kith.conf, and where it is */
    /* [platform] */
    const char *name;   /* the organisation */
    const char *origin; /* of the ledger: a name that is the platform's own */
    int64_t node;
    const char *url; /* where devices reach the TLS listener */
    const char *plain_url;
    /* [server] */
    const char *listen, *plain_listen; /* ADDRESS:PORT; IPv6 as [ADDR]:PORT */
    const char *socket;                /* for the CLI */
    struct opt_list hostnames;         /* in the server's certificate beside the url's */
    int64_t workers;                   /* 0: one a core */
    const char *database;
    /* [keys] */
    const char *passphrase_file;
    const char *hsm_module, *hsm_token, *hsm_pin_file;
    int64_t hsm_sessions;
    const char *hsm_template, *hsm_network; /* network: HOST:PORT, a path, or NULL */
    struct opt_list hsm_paths;              /* what the module reads and writes; the signers may touch nothing else */
    /* [ca] */
    const char *root_key, *issuing_key, *ledger_key, *cosign_key, *derive_key;
    int64_t crl_span_s, crl_refresh_s; /* how long a CRL holds, how often it is made again */
    /* [signer] */
    int64_t rate_per_minute;
    /* [feed] */
    int64_t feed_interval_s, feed_valid_s;
    /* [limits] */
    int64_t connections_max, connections_per_address;
    int64_t handshake_ms, header_ms, body_ms, idle_ms;
    bool sandbox;
};

extern const struct opt settings_rows[];
extern const size_t settings_rows_n;

/* Errors: config (file, line, column), not-found. */
MUST_USE bool settings_parse(const char *path, struct slice text, struct arena *a, struct settings *out, struct err *e);
MUST_USE bool settings_read(const char *path, struct arena *a, struct settings *out, struct err *e);

/* What hsm_network names.  The address is not looked at: the kernel can limit the port, not the host. */
struct hsm_peer {
    bool given, local;
    uint16_t port;
};
MUST_USE bool settings_hsm_peer(const struct settings *s, struct hsm_peer *out, struct err *e);

/* Files below the directory, by the part that owns them; NULL without memory. */
const char *settings_path(const struct settings *s, struct arena *a, const char *name);

#define PATH_CA           "ca"
#define PATH_ROOT_CERT    "ca/root.cer"    /* DER */
#define PATH_ISSUING_CERT "ca/issuing.cer" /* DER */
#define PATH_ROOT_CRL     "ca/root.crl"
#define PATH_PROFILES     "profiles"
#define PATH_SIGNERS      "signers"                   /* DOMAIN/{journal,state,roster} */
#define PATH_VKEYS        "ledger.vkeys"              /* verifier keys of the log and its cosigners, one a line */
#define PATH_DATA         "data"                      /* the database, if it is SQLite */
#define PATH_RUN          "run"                       /* sockets */
#define PATH_PIN_MARK     PATH_SIGNERS "/pin-refused" /* keys/pin_mark.h; of all who log in */
#define PATH_LOCK         PATH_SIGNERS "/kithd.lock"  /* where the server cannot write */

/* A journal of more than this has signed something: the record that sets it up is shorter. */
#define JOURNAL_SET_UP_MAX 256

/* A signer whose token refused the PIN ends so; it is not started again with the same PIN file. */
#define SIGNER_EXIT_PIN 66

/* The directory of the database's file; NULL if it is a server. */
const char *settings_database_dir(const struct settings *s, struct arena *a);
const char *settings_database_file(const struct settings *s); /* likewise */
/* True if the passphrase or PIN comes from systemd: "credential:NAME". */
bool settings_is_credential(const struct settings *s);
/* The server may write in the database's directory.  Errors: config, if keys, signers or secrets lie there too. */
MUST_USE bool settings_check_database(const struct settings *s, struct arena *a, struct err *e);
/* That directory is there and can be written.  Errors: setup. */
MUST_USE bool settings_check_database_dir(const struct settings *s, struct arena *a, struct err *e);
/* The server's own socket can be made: its path is short enough, has nothing else there, and its directory is as above, or the
 * one that kithd makes.  Errors: config, setup. */
MUST_USE bool settings_check_socket(const struct settings *s, struct arena *a, struct err *e);
/* A database file that is missing, or was emptied, beside an issuing signer that has signed.  *there (may be NULL): it is a
 * file with something in it, or no file at all but a server.  Errors: ERR_STORE_LOST; io (nobody can say). */
MUST_USE bool settings_check_lost(const struct settings *s, struct arena *a, bool *there, struct err *e);
/* A certificate of the CA (PATH_ROOT_CERT, PATH_ISSUING_CERT) that is not there, and how it can be had.  *to_come: nothing is
 * lost, for an offline root has yet to send it.  Errors: setup. */
MUST_USE bool settings_check_ca(const struct settings *s, struct arena *a, const char *name, bool *to_come,
                                struct err *e);
bool settings_has_signed(const struct settings *s, struct arena *a);

#endif
