/* Platforms as image indexes name them (GOOS, GOARCH, variant), and the choice of an index's best entry. */
#include "oci/manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

/* The kernel's machine names and the GOARCHs themselves. */
static const struct {
        const char *machine, *arch, *variant;
} machines[] = {
        { "x86_64", "amd64", "" },
        { "aarch64", "arm64", "" },
        { "arm64", "arm64", "" },
        { "armv8l", "arm", "v7" },
        { "armv7l", "arm", "v7" },
        { "armhf", "arm", "v7" },
        { "armv6l", "arm", "v6" },
        { "armel", "arm", "v6" },
        { "armv5tel", "arm", "v5" },
        { "arm", "arm", "" },
        { "amd64", "amd64", "" },
        { "i386", "386", "" },
        { "i586", "386", "" },
        { "i686", "386", "" },
        { "386", "386", "" },
        { "ppc64le", "ppc64le", "" },
        { "s390x", "s390x", "" },
        { "riscv64", "riscv64", "" },
        { "mips", "mips", "" },
        { "mips64", "mips64", "" },
        { "mips64le", "mips64le", "" },
        { "mipsle", "mipsle", "" },
        { "ppc64", "ppc64", "" },
        { "loongarch64", "loong64", "" },
        { "loong64", "loong64", "" },
};

static bool from_machine(const char *machine, struct nxc_platform *ret)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(machines); i++) {
                if (strcasecmp(machine, machines[i].machine) != 0)
                        continue;
                snprintf(ret->arch, sizeof(ret->arch), "%s", machines[i].arch);
                snprintf(ret->variant, sizeof(ret->variant), "%s", machines[i].variant);
                return true;
        }
        return false;
}

void nxc_platform_from_machine(const char *machine, struct nxc_platform *ret)
{
        *ret = (struct nxc_platform){ .os = "linux" };
        if (!from_machine(machine, ret))
                snprintf(ret->arch, sizeof(ret->arch), "%.*s", (int)sizeof(ret->arch) - 1, machine);
}

static void host_platform(struct nxc_platform *ret)
{
        struct utsname u;

        nxc_platform_from_machine(uname(&u) == 0 ? u.machine : "unknown", ret);
}

/* Splits at slashes into at most three lower-case words of the characters that the image-spec's values
 * have. */
static int split(const char *text, char words[3][32])
{
        int n = 0;

        for (;;) {
                size_t len = strcspn(text, "/");

                if (n == 3 || len == 0 || len >= 32)
                        return -EINVAL;
                for (size_t i = 0; i < len; i++) {
                        unsigned char c = (unsigned char)text[i];

                        if (!isalnum(c) && !strchr("_.-", c))
                                return -EINVAL;
                        words[n][i] = (char)tolower(c);
                }
                words[n++][len] = '\0';
                if (!text[len])
                        return n;
                text += len + 1;
        }
}

int nxc_platform_parse(const char *text, struct nxc_platform *ret, struct nxc_error *err)
{
        struct nxc_platform p = { .os = "linux" };
        char words[3][32];
        int n;

        if (!text) {
                host_platform(ret);
                return 0;
        }
        n = split(text, words);
        if (n == 1 && nxc_streq(words[0], "linux")) {
                host_platform(&p);
        } else if (n == 1) {
                if (!from_machine(words[0], &p))
                        n = -EINVAL; /* neither an architecture that we know nor our operating system */
        } else if (n > 1) {
                memcpy(p.os, words[0], sizeof(p.os));
                if (!from_machine(words[1], &p))
                        memcpy(p.arch, words[1], sizeof(p.arch));
                if (n == 3)
                        memcpy(p.variant, words[2], sizeof(p.variant));
        }
        if (n < 0)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "platform '%.100s' is not OS/ARCH[/VARIANT], as linux/amd64 or linux/arm/v7", text);
        *ret = p;
        return 0;
}

/* "v7" is 70, "v8.1" is 81; -1: a name without an order. An absent variant is what everyone builds for:
 * v7 on arm, v8 on arm64, v1 on amd64 (as containerd has it). */
static int variant_level(const struct nxc_platform *p)
{
        static const struct {
                const char *arch;
                int level;
        } bases[] = { { "arm", 70 }, { "arm64", 80 }, { "amd64", 10 } };
        unsigned major, minor = 0;
        int end = 0;

        if (!p->variant[0]) {
                for (size_t i = 0; i < NXC_ARRAY_SIZE(bases); i++)
                        if (nxc_streq(p->arch, bases[i].arch))
                                return bases[i].level;
                return 0;
        }
        if (!isdigit((unsigned char)p->variant[1]) ||
                sscanf(p->variant, "v%2u%n.%1u%n", &major, &end, &minor, &end) < 1 || p->variant[end])
                return -1;
        return (int)(major * 10 + minor);
}

/* How well an entry serves: -1 not at all, else more is better; the same variant beats all. */
static int rank(const struct nxc_platform *entry, const struct nxc_platform *want)
{
        int have, need;

        if (!nxc_streq(entry->os, want->os) || !nxc_streq(entry->arch, want->arch))
                return -1;
        if (nxc_streq(entry->variant, want->variant))
                return 1000;
        have = variant_level(entry);
        need = variant_level(want);
        return have >= 0 && need >= 0 && have <= need ? have : -1;
}

static bool is_image(const struct nxc_descriptor *d)
{
        return nxc_streq(d->media_type, NXC_MT_OCI_MANIFEST) ||
               nxc_streq(d->media_type, NXC_MT_DOCKER_MANIFEST) ||
               nxc_streq(d->media_type, NXC_MT_OCI_INDEX) || nxc_streq(d->media_type, NXC_MT_DOCKER_LIST);
}

static void format_platform(const struct nxc_platform *p, char *ret, size_t size)
{
        snprintf(ret, size, "%s/%s%s%s", p->os, p->arch, p->variant[0] ? "/" : "", p->variant);
}

static int no_entry(const struct nxc_index *ix, const struct nxc_platform *want, struct nxc_error *err)
{
        char text[100], list[600] = "";
        size_t len = 0;

        for (size_t i = 0; i < ix->n_manifests; i++) {
                const struct nxc_descriptor *d = &ix->manifests[i];

                if (!is_image(d) || !d->platform.os[0] || nxc_streq(d->platform.os, "unknown"))
                        continue;
                format_platform(&d->platform, text, sizeof(text));
                if (len + strlen(text) + 3 < sizeof(list))
                        len += (size_t)snprintf(
                                list + len, sizeof(list) - len, "%s%s", len ? ", " : "", text);
        }
        format_platform(want, text, sizeof(text));
        return nxc_fail_kind(err, NXC_ERR_IMAGE_NOT_FOUND, 0, "the index has no image for %s, only for: %s",
                text, len ? list : "nothing");
}

int nxc_index_select(const struct nxc_index *ix, const struct nxc_platform *want,
        const struct nxc_descriptor **ret, struct nxc_error *err)
{
        const struct nxc_descriptor *best = NULL, *bare = NULL;
        size_t n_bare = 0;
        int best_rank = -1;

        for (size_t i = 0; i < ix->n_manifests; i++) {
                const struct nxc_descriptor *d = &ix->manifests[i];
                int k;

                if (!is_image(d))
                        continue;
                if (!d->platform.os[0]) {
                        bare = d;
                        n_bare++;
                        continue;
                }
                k = rank(&d->platform, want);
                if (k > best_rank) {
                        best_rank = k;
                        best = d;
                }
        }
        if (!best && n_bare == 1)
                best = bare;
        if (!best)
                return no_entry(ix, want, err);
        *ret = best;
        return 0;
}

void nxc_platform_text(const struct nxc_platform *p, char ret[static NXC_PLATFORM_TEXT_MAX])
{
        snprintf(ret, NXC_PLATFORM_TEXT_MAX, "%s/%s%s%s", p->os, p->arch, p->variant[0] ? "/" : "",
                p->variant);
}
