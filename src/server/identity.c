#include "server/identity.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/host.h"
#include "base/tls.h"
#include "keys/key.h"
#include "server/issuer.h"
#include "x509/san.h"

_Static_assert(SETTINGS_HOSTS_TEXT_MAX + 4 * SETTINGS_HOSTS_MAX + 4 <= ISSUANCE_SAN_MAX, "what settings_check() takes");

struct names {
    struct san san[SETTINGS_HOSTS_MAX];
    uint8_t ip[SETTINGS_HOSTS_MAX][16];
    size_t n;
};

static void add_name(struct names *names, struct slice host)
{
    uint8_t *ip = names->ip[names->n];
    size_t n = host_address(host, ip);
    names->san[names->n++] =
        n ? (struct san){.type = SAN_IP, .value = slice_of(ip, n)} : (struct san){.type = SAN_DNS, .value = host};
}

static bool fill(struct app *app, EVP_PKEY *key, struct issuance *is, struct err *e)
{
    struct names names = {0};
    uint8_t *p = is->spki;
    int n = i2d_PUBKEY(key, NULL);
    if (n <= 0 || (size_t)n > sizeof is->spki || i2d_PUBKEY(key, &p) != n)
        return err_set(e, ERR_INTERNAL, "the server's public key");
    is->spki_n = (size_t)n;
    struct slice host = host_of_url(app->settings.url);
    add_name(&names, host);
    for (size_t i = 0; i < app->settings.hostnames.n; i++)
        add_name(&names, slice_str(app->settings.hostnames.v[i]));
    struct writer san = WRITER_ARRAY(is->san);
    san_put_all(&san, names.san, names.n);
    struct slice general_names;
    if (!writer_done(&san, &general_names))
        return err_set(e, ERR_INTERNAL, "the names in [server] hostnames are too long");
    is->san_n = general_names.n;
    is->authority = AUTHORITY_SERVER;
    is->kind = CERT_SERVER;
    is->via = "system";
    snprintf(is->who, sizeof is->who, "system:server");
    snprintf(is->profile, sizeof is->profile, "server");
    snprintf(is->subject, sizeof is->subject, "%.*s", (int)(host.n < 64 ? host.n : 64), (const char *)host.p);
    return true;
}

static bool certify(struct app *app, EVP_PKEY *key, struct issuance *is, struct err *e)
{
    if (!fill(app, key, is, e))
        return false;
    return issuer_wait(app->issuer, is, e);
}

bool identity_renew(struct app *app, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct issuance *is = calloc(1, sizeof *is);
    bool ok = (key && is) || err_set(e, ERR_NOMEM, "the server's key");
    ok = ok && certify(app, key, is, e);
    if (ok) {
        const struct slice chain[] = {slice_of(is->der, is->der_n), app->ca_der, app->root_der};
        ok = app->tls ? tls_server_replace(app->tls, key, chain, ARRAY_LEN(chain), e)
                      : tls_server_new(key, chain, ARRAY_LEN(chain), &app->tls, e);
    }
    EVP_PKEY_free(key);
    free(is);
    return ok;
}
