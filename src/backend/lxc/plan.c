/* From config.json's process to the plan that nexcage-init carries out. Pure. The order is the order of the
 * kernel's demands: what needs privileges before they go, and seccomp last, or, without no_new_privs, before
 * CAP_SYS_ADMIN goes (as runc). */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"
#include "init/plan.h"
#include "oci/compose.h"

#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

struct writer {
        struct nxc_buf *buf;
        int r; /* the first failure */
};

static void put(struct writer *w, const void *data, size_t len)
{
        if (w->r == 0)
                w->r = nxc_buf_add(w->buf, data, len);
}

static void put_u32(struct writer *w, size_t n)
{
        uint32_t v = (uint32_t)n;

        put(w, &v, sizeof(v));
}

static void put_bytes(struct writer *w, const void *data, size_t len)
{
        put_u32(w, len);
        put(w, data, len);
        put(w, "", 1);
}

static void put_text(struct writer *w, const char *text)
{
        put_bytes(w, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_number(struct writer *w, const char *fmt, ...)
{
        char text[40];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        put_text(w, text);
}

static void put_texts(struct writer *w, const char *verb, const json_t *list)
{
        const json_t *item;
        size_t i;

        put_u32(w, 1 + json_array_size(list));
        put_text(w, verb);
        json_array_foreach ((json_t *)list, i, item)
                put_text(w, json_string_value(item) ? json_string_value(item) : "");
}

/* The process's, and systemd's protocol, whose process is the first of the container. */
static void put_env(struct writer *w, const struct lxc_plan_opts *o)
{
        const json_t *list = json_object_get(o->process, "env"), *item;
        bool names = o->listen_fds > 0 && o->listen_names;
        size_t i;

        put_u32(w, 1 + json_array_size(list) + (o->listen_fds > 0 ? 2 : 0) + names);
        put_text(w, "env");
        json_array_foreach ((json_t *)list, i, item)
                put_text(w, json_string_value(item) ? json_string_value(item) : "");
        if (o->listen_fds > 0) {
                put_number(w, "LISTEN_FDS=%d", o->listen_fds);
                put_text(w, "LISTEN_PID=1");
        }
        if (names) {
                _cleanup_free_ char *text = nxc_strf("LISTEN_FDNAMES=%s", o->listen_names);

                if (text)
                        put_text(w, text);
                else if (w->r == 0)
                        w->r = -ENOMEM;
        }
}

static unsigned long long number_of(const json_t *j, const char *path)
{
        return (unsigned long long)json_integer_value(nxc_json_get(j, path));
}

/* ---- before start */

static void put_names(struct writer *w, const json_t *spec)
{
        const char *domain = nxc_json_str(spec, "domainname"), *host = nxc_json_str(spec, "hostname");
        const json_t *uts = lxc_ns_find(spec, "uts");

        if (domain && *domain) {
                put_u32(w, 2);
                put_text(w, "domainname");
                put_text(w, domain);
        }
        if (host && *host && uts && nxc_json_str(uts, "path")) { /* else liblxc does it */
                put_u32(w, 2);
                put_text(w, "hostname");
                put_text(w, host);
        }
}

static void put_propagation(struct writer *w, const json_t *spec)
{
        static const struct {
                const char *name;
                unsigned long flags;
        } table[] = {
                { "private", MS_PRIVATE },
                { "rprivate", MS_PRIVATE | MS_REC },
                { "slave", MS_SLAVE },
                { "rslave", MS_SLAVE | MS_REC },
                { "unbindable", MS_UNBINDABLE },
                { "runbindable", MS_UNBINDABLE | MS_REC },
                { "shared", MS_SHARED },
                { "rshared", MS_SHARED | MS_REC },
        };
        const char *name = nxc_json_str(spec, "linux.rootfsPropagation");

        for (size_t i = 0; name && i < NXC_ARRAY_SIZE(table); i++)
                if (nxc_streq(table[i].name, name)) {
                        put_u32(w, 2);
                        put_text(w, "propagation");
                        /* Of the root alone: what is mounted in it has its own. */
                        put_number(w, "%lx", table[i].flags & ~(unsigned long)MS_REC);
                }
}

static void put_stdio(struct writer *w, int first)
{
        put_u32(w, 4);
        put_text(w, "stdio");
        for (int i = 0; i < 3; i++)
                put_number(w, "%d", first + i);
}

static void put_terminal(struct writer *w, const struct lxc_plan_opts *o)
{
        if (!json_is_true(json_object_get(o->process, "terminal")))
                return;
        put_u32(w, 6);
        put_text(w, "terminal");
        put_number(w, "%d", o->console_fd);
        put_number(w, "%llu", number_of(o->process, "consoleSize.height") & 0xffff);
        put_number(w, "%llu", number_of(o->process, "consoleSize.width") & 0xffff);
        put_number(w, "%llu", number_of(o->process, "user.uid"));
        put_text(w, o->spec ? "1" : "0");
}

/* ---- the process */

static int cap_set(
        const json_t *process, const char *name, uint64_t available, uint64_t *ret, struct nxc_error *err)
{
        const json_t *list = json_object_get(json_object_get(process, "capabilities"), name), *item;
        size_t i;

        *ret = 0;
        json_array_foreach ((json_t *)list, i, item) {
                const char *text = json_string_value(item);
                int cap = text && nxc_starts_with(text, "CAP_") ? nxc_cap_parse(text) : -1;

                if (cap < 0)
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config.json: process.capabilities.%s: unknown capability '%.64s'", name,
                                text ? text : "");
                *ret |= 1ull << cap;
        }
        *ret &= available; /* as runc: what nexcage itself has not cannot be given */
        return 0;
}

static int put_caps(struct writer *w, const struct lxc_plan_opts *o, struct nxc_error *err)
{
        static const char *const names[] = { "bounding", "effective", "permitted", "inheritable",
                "ambient" };
        uint64_t set[5];

        for (size_t i = 0; i < 5; i++) {
                int r = cap_set(o->process, names[i], o->available_caps, &set[i], err);

                if (r < 0)
                        return r;
        }
        set[4] &= set[2] & set[3]; /* else the kernel refuses them */
        put_u32(w, 8);
        put_text(w, "caps");
        for (size_t i = 0; i < 5; i++)
                put_number(w, "%llx", (unsigned long long)set[i]);
        put_number(w, "%llu", number_of(o->process, "user.uid"));
        put_number(w, "%llu", number_of(o->process, "user.gid"));
        return 0;
}

static void put_label(
        struct writer *w, const char *what, const char *file, const char *prefix, const char *value)
{
        char text[1024];

        if (!value || !*value)
                return;
        snprintf(text, sizeof(text), "%s%s", prefix, value);
        put_u32(w, 4);
        put_text(w, "label");
        put_text(w, what);
        put_text(w, file);
        put_text(w, text);
}

static void put_personality(struct writer *w, const json_t *spec)
{
        const char *domain = nxc_json_str(spec, "linux.personality.domain");

        if (!domain)
                return;
        put_u32(w, 2);
        put_text(w, "personality");
        put_number(w, "%x", nxc_streq(domain, "LINUX32") ? PER_LINUX32 : PER_LINUX);
}

static void put_groups(struct writer *w, const json_t *process)
{
        const json_t *list = nxc_json_get(process, "user.additionalGids"), *item;
        size_t i;

        put_u32(w, 1 + json_array_size(list));
        put_text(w, "groups");
        json_array_foreach ((json_t *)list, i, item)
                put_number(w, "%lld", (long long)json_integer_value(item));
}

static void put_seccomp(struct writer *w, const struct lxc_plan_opts *o)
{
        put_u32(w, 3);
        put_text(w, "seccomp");
        put_number(w, "%x", o->seccomp_flags);
        put_bytes(w, o->seccomp, o->seccomp_len);
}

static int put_process(struct writer *w, const struct lxc_plan_opts *o, struct nxc_error *err)
{
        const json_t *process = o->process, *umask = nxc_json_get(process, "user.umask");
        bool no_new_privs = json_is_true(json_object_get(process, "noNewPrivileges"));
        int r;

        put_u32(w, 1);
        put_text(w, "session");
        if (o->keyring) {
                put_u32(w, 2);
                put_text(w, "keyring");
                put_text(w, o->keyring);
        }
        put_u32(w, 2);
        put_text(w, "umask");
        put_number(w, "%llo", umask ? number_of(process, "user.umask") : 022ull);
        put_label(w, "AppArmor profile", "exec", "exec ", nxc_json_str(process, "apparmorProfile"));
        put_label(w, "SELinux label", "exec", "", nxc_json_str(process, "selinuxLabel"));
        if (o->spec)
                put_personality(w, o->spec);
        put_u32(w, 2);
        put_text(w, "home");
        put_number(w, "%llu", number_of(process, "user.uid"));
        put_groups(w, process);
        put_u32(w, 2);
        put_text(w, "cwd");
        put_text(w, nxc_json_str(process, "cwd") ? nxc_json_str(process, "cwd") : "/");
        if (o->seccomp && !no_new_privs)
                put_seccomp(w, o);
        r = put_caps(w, o, err);
        if (r < 0)
                return r;
        if (no_new_privs) {
                put_u32(w, 1);
                put_text(w, "no-new-privs");
        }
        if (o->seccomp && no_new_privs)
                put_seccomp(w, o);
        put_u32(w, 2);
        put_text(w, "keep-fds");
        put_number(w, "%d", o->keep_fds);
        put_texts(w, "exec", json_object_get(process, "args"));
        return 0;
}

static void put_lookup(struct writer *w, const json_t *process)
{
        const char *program = json_string_value(json_array_get(json_object_get(process, "args"), 0));

        put_u32(w, 2);
        put_text(w, "lookup");
        put_text(w, program ? program : "");
}

int lxc_plan(const struct lxc_plan_opts *o, struct nxc_buf *ret, struct nxc_error *err)
{
        struct writer w = { .buf = ret };
        int r;

        if (o->stdio_fd >= 0)
                put_stdio(&w, o->stdio_fd);
        if (o->spec) {
                put_names(&w, o->spec);
                put_propagation(&w, o->spec);
        }
        put_env(&w, o);
        if (o->spec)
                put_lookup(&w, o->process);
        put_terminal(&w, o);
        if (o->listen_fd >= 0) {
                put_u32(&w, 2);
                put_text(&w, "wait");
                put_number(&w, "%d", o->listen_fd);
        }
        r = put_process(&w, o, err);
        if (r == 0 && w.r < 0)
                return nxc_oom(err);
        return r;
}
