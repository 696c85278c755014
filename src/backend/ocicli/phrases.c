/* From a runtime's words to our error. Engines match phrases in what we say (CONTRACT: containerd by
 * substring, podman by regular expression), so the canonical phrase is put in front where the runtime has
 * other words; its own stay. */
#include "backend/ocicli/ocicli-internal.h"

#include <ctype.h>
#include <string.h>

/* strerror's words begin with a capital in C and with none in Go, which is what engines look for. */
static void lower_errno_words(char *text)
{
        static const char *const words[] = { "No such file or directory", "Permission denied",
                "Operation not permitted", "No such process" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(words); i++)
                for (char *p = strstr(text, words[i]); p; p = strstr(p + 1, words[i]))
                        *p = (char)tolower((unsigned char)*p);
}

static void tidy(char *text)
{
        size_t n = strlen(text);

        while (n > 0 && isspace((unsigned char)text[n - 1]))
                text[--n] = '\0';
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = ' ';
}

static const struct ocicli_phrase *find_phrase(const struct ocicli *rt, const char *words)
{
        const struct ocicli_phrase *p = rt->phrases;

        while (p->words && !strstr(words, p->words))
                p++;
        return p;
}

int ocicli_explain(
        const struct ocicli *rt, const char *verb, const char *id, const char *words, struct nxc_error *err)
{
        const struct ocicli_phrase *p = find_phrase(rt, words);
        char text[900];
        bool has;

        snprintf(text, sizeof(text), "%s", words);
        tidy(text);
        lower_errno_words(text);
        has = !p->words || !p->canonical || strstr(text, p->canonical);
        if (err && !nxc_error_is_set(err)) {
                nxc_fail_kind(err, p->words && p->kind != NXC_ERR_NONE ? p->kind : rt->error_kind, 0,
                        "%s %s container '%s': %s%s%s", rt->name, verb, id, has ? "" : p->canonical,
                        has ? "" : ": ", text);
                if (p->words && p->errnum)
                        err->errnum = p->errnum; /* the text has its words already */
        }
        return p->words && p->errnum ? -p->errnum : -EINVAL;
}
