/* What devices ask beside enrolment: the agent's hello, which also proves that a new certificate works. */
#include "server/doors/device.h"

#include "base/json_out.h"
#include "server/access.h"
#include "server/records.h"

static void post_hello(struct http_request *req, void *arg)
{
    struct app *app = arg;
    const struct who *w = access_who(req);
    struct device_row dev;
    struct err e;
    AUTO(buf_clear) struct buf b = {0};
    if (!device_row_read(app_db(app), w->subject, &dev, &e)) {
        http_error(req, &e);
        return;
    }
    buf_init(&b, 1024);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, "id", dev.id);
    json_out_text(&o, "state", device_state_name(dev.state));
    json_out_time(&o, "server_time", app_now(app));
    json_out_end(&o);
    http_answer(req, 200, "application/json", buf_slice(&b), NULL, 0);
}

const struct http_route device_routes[] = {
    {"POST", "/device/v1/hello", post_hello, .doors = HTTP_DOOR_TLS, .flags = HTTP_NEED_CERT, .auth = ACCESS_DEVICE,
     .body_max = 4096},
};
const size_t device_routes_n = ARRAY_LEN(device_routes);
