/* See auth-internal.h. The protocol is docker's: the server's name on stdin, a JSON object on stdout, and
 * for "nothing known" an exit code with a fixed sentence. */
#include "image/auth-internal.h"

#include "core/json.h"
#include "core/process.h"
#include "core/str.h"

#include <string.h>

#define HELPER_TIMEOUT_MS 30000 /* it may ask a keyring, or the user to unlock one */
#define HELPER_MAX_OUTPUT 65536
#define NOT_FOUND "credentials not found"
#define TOKEN_USER "<token>" /* docker's mark for "the secret is an identity token" */

extern char **environ;

bool nxc_credential_helper_name_is_valid(const char *name)
{
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

        return n > 0 && n < 48 && name[n] == '\0';
}

void nxc_json_wipe(json_t *j)
{
        const char *key;
        json_t *value;
        size_t i;

        if (json_is_string(j))
                explicit_bzero((char *)(uintptr_t)json_string_value(j), json_string_length(j));
        else if (json_is_object(j))
                json_object_foreach (j, key, value)
                        nxc_json_wipe(value);
        else if (json_is_array(j))
                json_array_foreach (j, i, value)
                        nxc_json_wipe(value);
}

static int read_answer(
        const struct nxc_buf *out, const char *program, struct nxc_credentials *ret, struct nxc_error *err)
{
        struct nxc_credentials c = { 0 };
        json_t *j = NULL;
        int r = nxc_json_parse_secret(out->data ? out->data : "", out->len, program, &j, NULL);
        const char *user = json_string_value(json_object_get(j, "Username"));
        const char *secret = json_string_value(json_object_get(j, "Secret"));
        bool complete = user && secret;

        if (complete && nxc_streq(user, TOKEN_USER)) {
                c.identity_token = strdup(secret);
        } else if (complete) {
                c.username = strdup(user);
                c.password = strdup(secret);
        }
        nxc_json_wipe(j);
        json_decref(j);
        if (!complete && r != -ENOMEM)
                return nxc_fail_kind(
                        err, NXC_ERR_CONFIG, 0, "%s did not answer with Username and Secret", program);
        if (!nxc_credentials_are_set(&c)) {
                nxc_credentials_done(&c);
                return nxc_oom(err);
        }
        *ret = c;
        return 0;
}

int nxc_credential_helper_get(
        const char *name, const char *server, struct nxc_credentials *ret, struct nxc_error *err)
{
        _cleanup_free_ char *program = nxc_strf("docker-credential-%s", name);
        const char *argv[] = { program, "get", NULL };
        struct nxc_buf out = { .data = malloc(HELPER_MAX_OUTPUT + 1),
                .cap = HELPER_MAX_OUTPUT + 1,
                .limit = HELPER_MAX_OUTPUT }; /* at once, so that no copy is left behind by growing */
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        int status, r;

        if (!program || !out.data) {
                free(out.data);
                return nxc_oom(err);
        }
        out.data[0] = '\0';
        opts.argv = argv;
        opts.envp = (const char *const *)environ; /* keyrings are found through it */
        opts.input = server;
        opts.input_len = strlen(server);
        opts.capture_stdout = &out;
        opts.timeout_ms = HELPER_TIMEOUT_MS;
        r = nxc_process_run(&opts, &status, err);
        if (r < 0)
                nxc_error_set_kind(err, NXC_ERR_CONFIG);
        else if (nxc_process_exit_code(status) == 0)
                r = read_answer(&out, program, ret, err);
        else if (!strstr(out.data, NOT_FOUND))
                r = nxc_fail_kind(err, NXC_ERR_CONFIG, 0, "%s get for '%s' failed with exit code %d",
                        program, server, nxc_process_exit_code(status));
        explicit_bzero(out.data, out.cap);
        nxc_buf_done(&out);
        return r;
}
