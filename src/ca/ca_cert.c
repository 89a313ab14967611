#include "ca/ca_cert.h"

#include "base/file.h"

#define PATHS_MAX 16384

bool ca_cert_read(const struct settings *s, const char *name, struct buf *der, struct cert *out, struct err *e)
{
    AUTO(arena_clear) struct arena a;
    bool to_come;
    arena_init(&a, PATHS_MAX);
    buf_init(der, CERT_MAX);
    const char *path = settings_path(s, &a, name);
    if (!settings_check_ca(s, &a, name, &to_come, e))
        return false;
    if (file_read(path, CERT_MAX, der, e) && (cert_read(buf_slice(der), out, e) || err_ctx(e, "%s", path)))
        return true;
    return e->hint[0] ? false : err_try(e, "restore it from the backup of the directory");
}
