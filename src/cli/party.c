#include "cli/party.h"

#include <unistd.h>

#include "base/file.h"
#include "base/host.h"
#include "base/pem.h"
#include "cli/client.h"
#include "keys/crypto.h"
#include "model/device.h"
#include "x509/csr.h"
#include "x509/name.h"

const char *const party_key_words[] = {"p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096", NULL};

const char *party_file(struct cli *cli, const char *dir, const char *name)
{
    return arena_printf(&cli->arena, "%s/%s", dir, name);
}

/* The place of a party: what of it was not there before. */
struct place {
    const char *dir, *key; /* key: a reference */
    bool made_dir, made_key;
};

static bool open_place(struct cli *cli, const char *dir, struct place *out, struct err *e)
{
    *out = (struct place){.dir = dir,
                          .key = arena_printf(&cli->arena, "file:%s/key.pem?plain", dir),
                          .made_dir = !file_exists(dir),
                          .made_key = !file_exists(party_file(cli, dir, "key.pem"))};
    return arena_ok(&cli->arena, e) && file_mkdir_private(dir, e);
}

/* A key that an earlier, broken try left is used again. */
static bool open_or_make_key(const struct place *p, enum key_type type, struct key **out, struct err *e)
{
    const struct key_env env = {0};
    return p->made_key ? key_generate(&env, p->key, type, out, e) : key_open(&env, p->key, out, e);
}

/* Where the answer may only be lost, the platform may know the key: it stays for the next try. */
static bool is_refusal(const struct err *e)
{
    enum err_class c = err_class_of(e->code);
    return c != ERR_CLASS_UNAVAILABLE && c != ERR_CLASS_IO && c != ERR_CLASS_INTERNAL && e->code != ERR_HTTP_ANSWER;
}

static void take_back(const struct place *p)
{
    const struct key_env env = {0};
    struct err ignored;
    if (p->made_key)
        (void)!key_destroy(&env, p->key, &ignored); /* there is none for the request of another */
    if (p->made_dir)
        (void)rmdir(p->dir);
}

static bool check_hosts(const struct opt_list *hosts, struct err *e)
{
    for (size_t i = 0; i < hosts->n; i++)
        if (!host_check(slice_str(hosts->v[i]), e))
            return false;
    return true;
}

bool party_put_csr(const char *name, const struct opt_list *hosts, struct key *k, struct buf *pem, struct err *e)
{
    uint8_t subject[NAME_DER_MAX], text[NAME_TEXT_MAX], der[CSR_MAX], addresses[PARTY_HOSTS_MAX][16];
    struct san san[PARTY_HOSTS_MAX];
    struct writer t = WRITER_ARRAY(text), s = WRITER_ARRAY(subject), w = WRITER_ARRAY(der);
    struct signer signer = key_signer(k);
    struct slice csr;
    writer_put(&t, SLICE_LIT("CN="));
    name_escape(&t, slice_str(name));
    if (!name_write(&s, writer_slice(&t), e))
        return false;
    for (size_t i = 0; hosts && i < hosts->n; i++) {
        struct slice h = slice_str(hosts->v[i]);
        size_t n = host_address(h, addresses[i]);
        san[i] = n ? (struct san){.type = SAN_IP, .value = slice_of(addresses[i], n)}
                   : (struct san){.type = SAN_DNS, .value = h};
    }
    struct csr_template tmpl = {
        .subject = writer_slice(&s), .spki = key_get0_spki(k), .san = san, .san_n = hosts ? hosts->n : 0};
    if (!csr_write(&tmpl, &signer, &w, e) || !writer_done(&w, &csr))
        return e->code ? false : err_set(e, ERR_INTERNAL, "request larger than its buffer");
    pem_put(pem, PEM_CSR, csr);
    return true;
}

/* A request that was made where its key is; whether it is signed by that key the platform looks too. */
static bool read_csr(const char *path, struct buf *pem, struct err *e)
{
    struct csr csr;
    AUTO(buf_clear) struct buf text = {0}, der = {0};
    buf_init(&text, 1 << 20);
    buf_init(&der, CSR_MAX);
    if (!cli_read_input(path, &text, e) || !pem_or_der_get(buf_slice(&text), PEM_CSR, &der, e) ||
        !csr_read(buf_slice(&der), &csr, e) || !csr_verify(&crypto_openssl, &csr, e))
        return err_ctx(e, "%s", path);
    pem_put(pem, PEM_CSR, csr.der);
    return true;
}

static bool ask(struct cli *cli, const char *path, const char *name, const struct party_opts *o, const char *csr,
                struct buf *reply, struct json **answer, struct err *e)
{
    AUTO(buf_clear) struct buf body = {0};
    buf_init(&body, 65536);
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_text(&jo, "name", name);
    if (o->role)
        json_out_text(&jo, "role", o->role);
    else
        json_out_text(&jo, "site", o->site ? o->site : "");
    json_out_text(&jo, "csr", csr);
    json_out_end(&jo);
    return cli_call_json(cli, "POST", path, &body, 0, reply, answer, e);
}

bool party_certify(struct cli *cli, const char *path, const char *name, const struct party_opts *o, const char *dir,
                   struct buf *reply, struct json **answer, struct err *e)
{
    AUTO(key_free_auto) struct key *k = NULL;
    AUTO(buf_clear) struct buf pem = {0};
    struct place place;
    buf_init(&pem, 65536);
    if (!party_name_check("name", slice_str(name), 63, e) || /* before it names a directory */
        !check_hosts(&o->hostnames, e) || !cli_is_outside(cli, "--out", dir, e))
        return false;
    if (file_exists(party_file(cli, dir, "cert.pem"))) {
        err_set(e, ERR_CONFLICT, "%s has a certificate already", dir);
        return err_try(e, "it is complete; for a new one: kith %s rm %s, then --out DIR, another one",
                       o->role ? "operator" : "gateway", name);
    }
    if ((o->csr && !read_csr(o->csr, &pem, e)) || !cli_connect(cli, e) || !open_place(cli, dir, &place, e))
        return false;
    buf_reset(reply);
    bool ok = (o->csr || (open_or_make_key(&place, key_type_from_name(party_key_words[o->key_type]), &k, e) &&
                          party_put_csr(name, &o->hostnames, k, &pem, e))) &&
              ask(cli, path, name, o, buf_str(&pem), reply, answer, e);
    if (!ok && reply->n == 0 && is_refusal(e))
        take_back(&place);
    if (!ok && e->code == ERR_CONFLICT && !place.made_key)
        return err_try(e, "kith %s rm %s, if it is what a broken try of this command made; then the same command",
                       o->role ? "operator" : "gateway", name);
    return ok;
}

bool party_write_cert(struct cli *cli, const char *dir, const struct json *answer, struct err *e)
{
    const char *cert, *chain;
    if (!json_get_text(answer, "certificate", 65536, &cert, e) || !json_get_text(answer, "chain", 65536, &chain, e))
        return false;
    const char *all = arena_printf(&cli->arena, "%s%s", cert, chain);
    return all ? file_write_atomic(party_file(cli, dir, "cert.pem"), 0644, slice_str(all), e)
               : arena_ok(&cli->arena, e);
}

bool party_finish(struct cli *cli, const char *dir, const struct json *answer, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    const char *name;
    buf_init(&b, 65536);
    if (!json_get_text(answer, "name", 200, &name, e))
        return false;
    if (cli->g.json) {
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "name", name);
        json_out_text(&o, "dir", dir);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "%s\n", dir);
    }
    return cli_write(cli, &b, e);
}

bool party_drop(struct cli *cli, const char *path, const char *name, struct err *e)
{
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_call(cli, "DELETE", cli_path(cli, path, name, ""), NULL, 0, &reply, e))
        return false;
    return reply.n && cli->g.json ? show_raw(cli, &reply, e) : cli_write_said(cli, "removed", name, e);
}
