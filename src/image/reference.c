/* See reference.h. The grammar is that of distribution/reference, character by character:
 *
 *   reference := name [":" tag] ["@" digest]       name := [domain "/"] path
 *   domain    := host [":" port]                   host := labels joined by "." | "[" IPv6 "]"
 *   path      := component ["/" component]*        component := [a-z0-9]+ [separator [a-z0-9]+]*
 *   separator := "." | "_" | "__" | "-"+           tag := [A-Za-z0-9_] [A-Za-z0-9_.-]{0,127}
 *
 * The first component is a domain when it has a dot, a colon or an upper-case letter, or is "localhost". */
#include "image/reference.h"

#include "core/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LENGTH 255 /* NameTotalLengthMax of distribution/reference: of domain and path */
#define TAG_MAX_LENGTH 128
#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DEFAULT_DOMAIN "index.docker.io"
#define OFFICIAL_PREFIX "library/"

#define LOWER_ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"
#define TAG_CHARS LOWER_ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"

static bool has_upper(const char *s)
{
        for (; *s; s++)
                if (isupper((unsigned char)*s))
                        return true;
        return false;
}

/* Labels of letters, digits and inner hyphens. */
static bool is_domain_name(const char *s, size_t len)
{
        bool label_open = false; /* the last character may end a label */

        for (size_t i = 0; i < len; i++) {
                bool alnum = isalnum((unsigned char)s[i]);

                if (s[i] == '.' ? !label_open : s[i] == '-' ? (i == 0 || s[i - 1] == '.') : !alnum)
                        return false;
                label_open = alnum;
        }
        return label_open;
}

static bool is_port(const char *s)
{
        uint64_t v;

        return nxc_parse_u64(s, &v) == 0 && v > 0 && v <= 65535;
}

static bool is_domain(const char *s)
{
        size_t n;

        if (s[0] == '[') {
                n = strspn(s + 1, "0123456789abcdefABCDEF:");
                if (n == 0 || s[n + 1] != ']')
                        return false;
                n += 2;
        } else {
                n = strcspn(s, ":");
                if (!is_domain_name(s, n))
                        return false;
        }
        return s[n] == '\0' || (s[n] == ':' && is_port(s + n + 1));
}

/* Returns what follows a separator, or NULL. */
static const char *skip_separator(const char *s)
{
        if (s[0] == '-')
                return s + strspn(s, "-");
        if (s[0] == '_')
                return s + (s[1] == '_' ? 2 : 1);
        return s[0] == '.' ? s + 1 : NULL;
}

static bool is_path(const char *s)
{
        for (;;) {
                size_t n = strspn(s, LOWER_ALNUM);

                if (n == 0)
                        return false;
                s += n;
                if (*s == '\0')
                        return true;
                s = *s == '/' ? s + 1 : skip_separator(s);
                if (!s)
                        return false;
        }
}

static bool is_tag(const char *s)
{
        size_t n = strspn(s, TAG_CHARS);

        return n > 0 && n <= TAG_MAX_LENGTH && s[n] == '\0' && s[0] != '.' && s[0] != '-';
}

static bool is_image_id(const char *s)
{
        return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool names_domain(const char *first)
{
        return strpbrk(first, ".:") || nxc_streq(first, "localhost") || has_upper(first);
}

static int refuse(struct nxc_error *err, const char *text, const char *why)
{
        return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "image reference '%.300s': %s", text, why);
}

/* name, without tag and digest, into host and path. */
static int split_name(const char *text, char *name, struct nxc_reference *out, struct nxc_error *err)
{
        char *slash = strchr(name, '/');
        const char *host = DEFAULT_DOMAIN, *path = name;

        if (slash) {
                *slash = '\0';
                if (names_domain(name)) {
                        host = name;
                        path = slash + 1;
                } else {
                        *slash = '/';
                }
        }
        if (nxc_streq(host, LEGACY_DEFAULT_DOMAIN))
                host = DEFAULT_DOMAIN;
        if (has_upper(path))
                return refuse(err, text, "the repository name must be lower case");
        if (!is_domain(host))
                return refuse(err, text, "the registry is not host[:port]");
        if (!is_path(path))
                return refuse(err, text,
                        "the repository name may have lower-case letters and digits, separated by '.', '_', "
                        "'__', '-' "
                        "or '/'");
        snprintf(out->host, sizeof(out->host), "%s", host);
        snprintf(out->path, sizeof(out->path), "%s%s",
                nxc_streq(host, DEFAULT_DOMAIN) && !strchr(path, '/') ? OFFICIAL_PREFIX : "", path);
        if (strlen(out->host) + 1 + strlen(out->path) > NAME_MAX_LENGTH)
                return refuse(err, text, "the name is longer than 255 characters");
        return 0;
}

/* "oci:./dir", "docker-archive:/file": podman's names for places that are no registry. */
static bool is_transport(const char *text)
{
        static const char *const transports[] = {
                "oci:", "oci-archive:", "docker-archive:", "dir:", "docker-daemon:", "containers-storage:"
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(transports); i++)
                if (nxc_starts_with(text, transports[i]))
                        return strchr("/.[", text[strlen(transports[i])]) != NULL;
        return false;
}

static int check_text(const char *text, struct nxc_error *err)
{
        if (!*text)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "image reference is empty");
        for (const char *p = text; *p; p++)
                if (*p <= 0x20 || *p >= 0x7f)
                        return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                                "image reference has a blank, a control or a non-ASCII character at "
                                "position %zu",
                                (size_t)(p - text) + 1);
        if (strstr(text, "://"))
                return refuse(
                        err, text, "a reference has no scheme; write [host[:port]/]name[:tag][@digest]");
        if (is_transport(text))
                return refuse(err, text,
                        "not a registry's image; 'nexcage import' takes OCI layouts and archives");
        if (is_image_id(text))
                return refuse(err, text, "64 hexadecimal digits are an image id, not a name");
        return 0;
}

int nxc_reference_parse(const char *text, struct nxc_reference *ret, struct nxc_error *err)
{
        char name[NAME_MAX_LENGTH + 1];
        struct nxc_reference out = { 0 };
        const char *digest, *tag = NULL;
        size_t len;
        int r;

        if (nxc_starts_with(text, "docker://"))
                text += strlen("docker://");
        r = check_text(text, err);
        if (r < 0)
                return r;
        digest = strchr(text, '@');
        len = strcspn(text, "@");
        for (size_t i = len; i > 0 && text[i - 1] != '/' && !tag; i--)
                if (text[i - 1] == ':')
                        tag = text + i;
        if (tag) {
                snprintf(out.tag, sizeof(out.tag), "%.*s", (int)(text + len - tag), tag);
                if (!is_tag(out.tag) || strlen(out.tag) != (size_t)(text + len - tag))
                        return refuse(err, text,
                                "a tag has 1 to 128 letters, digits, '_', '.' and '-', and does not begin "
                                "with '.' or '-'");
                len = (size_t)(tag - text) - 1;
        }
        if (digest && !nxc_digest_is_valid(digest + 1))
                return refuse(err, text, "a digest is sha256:<64 hex> or sha512:<128 hex>, in lower case");
        if (digest)
                snprintf(out.digest.text, sizeof(out.digest.text), "%s", digest + 1);
        if (len == 0)
                return refuse(err, text, "the repository name is missing");
        if (len > NAME_MAX_LENGTH)
                return refuse(err, text, "the name is longer than 255 characters");
        memcpy(name, text, len);
        name[len] = '\0';
        r = split_name(text, name, &out, err);
        if (r < 0)
                return r;
        if (!tag && !digest)
                snprintf(out.tag, sizeof(out.tag), "latest");
        *ret = out;
        return 0;
}

char *nxc_reference_format(const struct nxc_reference *ref)
{
        if (ref->digest.text[0])
                return nxc_strf("%s/%s@%s", ref->host, ref->path, ref->digest.text);
        return nxc_strf("%s/%s:%s", ref->host, ref->path, ref->tag);
}
