/* nexcage-init: a container's first process until its program runs.
 *
 * It stands alone: static, no library of nexcage, and it knows no config.json. The runtime hands it a plan
 * (plan.h) in a sealed memory file and is itself run from one (execveat), so that nothing in the container
 * can see it by a path or write to it (CVE-2019-5736). What it reports goes to a descriptor that closes when
 * the program is executed: the end of file without words is success.
 *
 *   nexcage-init hook FD            say that we are there, then wait to be told to go on
 *   nexcage-init run PLAN REPORT    carry out a plan */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DEVPTS_SUPER_MAGIC 0x1cd1
#define PASSWD_MAX_BYTES (1u << 20)
#define KEYCTL_JOIN_SESSION_KEYRING 1
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct verb_args {
        uint32_t n;
        char **v;
        uint32_t *len;
};

static int report_fd = -1;
static char **environment;
static unsigned keep_fds;

__attribute__((noreturn, format(printf, 2, 3))) static void fail(int errnum, const char *fmt, ...)
{
        struct nxc_report report = { .errnum = errnum ? errnum : EINVAL };
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(report.text, sizeof(report.text), fmt, ap);
        va_end(ap);
        if (write(report_fd, &report, sizeof(report)) < 0)
                _exit(126);
        _exit(errnum == ENOENT ? 127 : 126);
}

static unsigned long number(const char *text, int base)
{
        char *end;
        unsigned long n;

        errno = 0;
        n = strtoul(text, &end, base);
        if (errno || *end || !*text)
                fail(EINVAL, "the plan has '%s' for a number", text);
        return n;
}

/* ---- before start */

/* stdio A B C: they were kept away from whoever executed us. */
static void do_stdio(const struct verb_args *a)
{
        for (int i = 0; i < 3; i++) {
                int fd = (int)number(a->v[1 + i], 10);

                if (dup2(fd, i) < 0)
                        fail(errno, "use the standard file descriptors: %s", strerror(errno));
                close(fd);
        }
}

static void do_propagation(const struct verb_args *a)
{
        if (syscall(SYS_mount, NULL, "/", NULL, number(a->v[1], 16), NULL) < 0)
                fail(errno, "set rootfsPropagation: %s", strerror(errno));
}

static void do_domainname(const struct verb_args *a)
{
        if (setdomainname(a->v[1], strlen(a->v[1])) < 0)
                fail(errno, "set the domain name: %s", strerror(errno));
}

static void do_hostname(const struct verb_args *a)
{
        if (sethostname(a->v[1], strlen(a->v[1])) < 0)
                fail(errno, "set the host name: %s", strerror(errno));
}

static void send_master(int sock, int master)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        char name[] = "/dev/ptmx";
        struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) - 1 };
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        *c = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS
        };
        memcpy(CMSG_DATA(c), &master, sizeof(master));
        if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
                fail(errno, "send the terminal to the console socket: %s", strerror(errno));
}

/* The slave on /dev/console, by its descriptor (CVE-2025-52565). */
static void mount_console(int slave)
{
        int target = open("/dev/console", O_PATH | O_NOFOLLOW | O_CLOEXEC), tree;

        if (target < 0)
                return; /* a /dev of the bundle's own, without one */
        tree = (int)syscall(SYS_open_tree, slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0 || syscall(SYS_move_mount, tree, "", target, "",
                                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                fail(errno, "mount the terminal on /dev/console: %s", strerror(errno));
        close(tree);
        close(target);
}

/* terminal SOCKET ROWS COLUMNS UID CONSOLE: a fresh pty, of the container's own devpts. */
static void do_terminal(const struct verb_args *a)
{
        struct winsize ws = { .ws_row = (unsigned short)number(a->v[2], 10),
                .ws_col = (unsigned short)number(a->v[3], 10) };
        int sock = (int)number(a->v[1], 10), unlock = 0, slave;
        int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
        struct statfs fs;
        struct stat st;

        if (master < 0)
                master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (master < 0)
                fail(errno, "open /dev/ptmx: %s", strerror(errno));
        if (fstat(master, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) ||
                ioctl(master, TIOCSPTLCK, &unlock) < 0)
                fail(ENOTTY, "/dev/ptmx is not a terminal multiplexer");
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0 || fstatfs(slave, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
                fail(ENOTTY, "the terminal is not one of a devpts");
        if (ws.ws_row && ws.ws_col)
                ioctl(master, TIOCSWINSZ, &ws);
        if (fchown(slave, (uid_t)number(a->v[4], 10), (gid_t)-1) < 0 && errno != EINVAL)
                fail(errno, "give the terminal to its user: %s", strerror(errno));
        if (*a->v[5] == '1')
                mount_console(slave);
        send_master(sock, master);
        setsid();
        if (ioctl(slave, TIOCSCTTY, 0) < 0)
                fail(errno, "make the terminal a controlling one: %s", strerror(errno));
        for (int fd = 0; fd < 3; fd++)
                if (dup2(slave, fd) < 0)
                        fail(errno, "use the terminal: %s", strerror(errno));
        close(slave);
        close(master);
        close(sock);
}

/* wait LISTENER: says that it is there, and goes on when somebody connects. */
static void do_wait(const struct verb_args *a)
{
        struct nxc_report ready = { 0 };
        int listener = (int)number(a->v[1], 10), fd;

        /* Until here liblxc ends us with whoever made us. */
        prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
        if (write(report_fd, &ready, sizeof(ready)) < 0)
                _exit(126);
        close(report_fd);
        do
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        if (fd < 0)
                _exit(126);
        report_fd = fd;
        close(listener);
}

/* ---- the process */

static void do_session(const struct verb_args *a)
{
        setsid(); /* EPERM: it leads one */
}

static void do_keyring(const struct verb_args *a)
{
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, a->v[1]) < 0 && errno != ENOSYS &&
                errno != EPERM)
                fail(errno, "join a new session keyring: %s", strerror(errno));
}

static void do_umask(const struct verb_args *a)
{
        umask((mode_t)number(a->v[1], 8));
}

/* Through a procfs of our own, never the container's (CVE-2019-16884, CVE-2025-52881). */
static void do_label(const struct verb_args *a)
{
        int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC), mnt = -1, fd;
        char path[64];

        if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
                mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
        if (mnt < 0)
                fail(errno, "mount a procfs to set the %s: %s", a->v[1], strerror(errno));
        snprintf(path, sizeof(path), "thread-self/attr/%s", a->v[2]);
        fd = openat(mnt, path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, a->v[3], strlen(a->v[3])) < 0)
                fail(errno, "set the %s '%s': %s", a->v[1], a->v[3], strerror(errno));
        close(fd);
        close(mnt);
        close(fs);
}

static void do_personality(const struct verb_args *a)
{
        if (personality(number(a->v[1], 16)) < 0)
                fail(errno, "set the personality: %s", strerror(errno));
}

static void do_groups(const struct verb_args *a)
{
        gid_t *list = calloc(a->n, sizeof(*list));

        for (uint32_t i = 1; list && i < a->n; i++)
                list[i - 1] = (gid_t)number(a->v[i], 10);
        if (!list)
                fail(ENOMEM, "set additional groups: %s", strerror(ENOMEM));
        /* EPERM with none asked for: a user namespace where setgroups is denied */
        if (syscall(SYS_setgroups, (size_t)(a->n - 1), list) < 0 && !(errno == EPERM && a->n == 1))
                fail(errno, "set additional groups: %s", strerror(errno));
        free(list);
}

static char *wanted_cwd;

static void enter_cwd(bool may_be_denied)
{
        char text[4096];
        long n;

        if (!wanted_cwd)
                return;
        if (chdir(wanted_cwd) < 0) {
                if (may_be_denied && (errno == EACCES || errno == EPERM))
                        return;
                fail(errno, "chdir to cwd (\"%s\") failed: %s", wanted_cwd, strerror(errno));
        }
        /* A directory of the host, reached through a descriptor that leaked (CVE-2024-21626): the kernel says
         * "(unreachable)" then. */
        n = syscall(SYS_getcwd, text, sizeof(text));
        if (n < 0 || text[0] != '/')
                fail(EPERM, "the current directory of cwd \"%s\" is outside of the container's root",
                        wanted_cwd);
        wanted_cwd = NULL;
}

/* As root where the user may not look, and then as the user (runc does both). */
static void do_cwd(const struct verb_args *a)
{
        wanted_cwd = a->v[1];
        enter_cwd(true);
}

/* caps BOUNDING EFFECTIVE PERMITTED INHERITABLE AMBIENT UID GID: the user changes in the middle of it. */
static void do_caps(const struct verb_args *a)
{
        unsigned long long set[5];
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { 0 };
        uid_t uid = (uid_t)number(a->v[6], 10);
        gid_t gid = (gid_t)number(a->v[7], 10);

        for (int i = 0; i < 5; i++)
                set[i] = number(a->v[1 + i], 16);
        for (unsigned cap = 0; cap < 64; cap++)
                if (!(set[0] & (1ull << cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
                        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        fail(errno, "drop capability %u from the bounding set: %s", cap, strerror(errno));
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                fail(errno, "keep capabilities: %s", strerror(errno));
        if (syscall(SYS_setresgid, gid, gid, gid) < 0)
                fail(errno, "set gid %u: %s", (unsigned)gid, strerror(errno));
        if (syscall(SYS_setresuid, uid, uid, uid) < 0)
                fail(errno, "set uid %u: %s", (unsigned)uid, strerror(errno));
        if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
                fail(errno, "keep capabilities: %s", strerror(errno));
        enter_cwd(false);
        for (int i = 0; i < 2; i++) {
                data[i].effective = (uint32_t)(set[1] >> (32 * i));
                data[i].permitted = (uint32_t)(set[2] >> (32 * i));
                data[i].inheritable = (uint32_t)(set[3] >> (32 * i));
        }
        if (syscall(SYS_capset, &header, data) < 0)
                fail(errno, "set capabilities: %s", strerror(errno));
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && set[4])
                fail(errno, "clear ambient capabilities: %s", strerror(errno));
        for (unsigned cap = 0; cap < 64; cap++)
                if ((set[4] & (1ull << cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
                        fail(errno, "raise ambient capability %u: %s", cap, strerror(errno));
}

static void do_no_new_privs(const struct verb_args *a)
{
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                fail(errno, "set no_new_privs: %s", strerror(errno));
}

/* seccomp FLAGS PROGRAM */
static void do_seccomp(const struct verb_args *a)
{
        struct sock_fprog program = { .len = (unsigned short)(a->len[2] / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *)a->v[2] };

        if (a->len[2] % sizeof(struct sock_filter) || a->len[2] / sizeof(struct sock_filter) > BPF_MAXINSNS)
                fail(EINVAL, "the seccomp program has %u bytes", a->len[2]);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, number(a->v[1], 16), &program) < 0)
                fail(errno, "load the seccomp filter: %s", strerror(errno));
}

static void do_env(const struct verb_args *a)
{
        environment = calloc(a->n + 1, sizeof(*environment)); /* a slot for HOME, and the end */
        if (!environment)
                fail(ENOMEM, "set the environment: %s", strerror(ENOMEM));
        for (uint32_t i = 1; i < a->n; i++)
                environment[i - 1] = a->v[i];
}

static const char *env_get(const char *key)
{
        size_t n = strlen(key);

        for (char **e = environment; e && *e; e++)
                if (strncmp(*e, key, n) == 0 && (*e)[n] == '=')
                        return *e + n + 1;
        return NULL;
}

/* A line of /etc/passwd by uid; a file, not a service (no NSS behind a container's root). */
static char *home_of(char *text, unsigned wanted)
{
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                char *field[7], *rest = line;
                int n = 0;

                while (n < 7 && rest)
                        field[n++] = strsep(&rest, ":");
                if (n >= 6 && *field[2] >= '0' && *field[2] <= '9' && strtoul(field[2], NULL, 10) == wanted)
                        return field[5];
        }
        return NULL;
}

/* home: what runc does for a program without HOME. */
static void do_home(const struct verb_args *a)
{
        static char *text, slash[] = "/";
        char *home = NULL, *item;
        int fd;
        ssize_t n = 0;
        size_t len = 0, end;

        if (!environment || env_get("HOME"))
                return;
        text = malloc(PASSWD_MAX_BYTES + 1);
        fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        while (fd >= 0 && text && len < PASSWD_MAX_BYTES &&
                (n = read(fd, text + len, PASSWD_MAX_BYTES - len)) > 0)
                len += (size_t)n;
        if (fd >= 0)
                close(fd);
        if (text) {
                text[len] = '\0';
                home = home_of(text, (unsigned)number(a->v[1], 10));
        }
        if (!home || !*home)
                home = slash;
        item = malloc(strlen(home) + 6);
        if (!item)
                fail(ENOMEM, "set HOME: %s", strerror(ENOMEM));
        strcpy(item, "HOME=");
        strcat(item, home);
        for (end = 0; environment[end];)
                end++;
        environment[end] = item;
}

static void do_keep_fds(const struct verb_args *a)
{
        keep_fds = (unsigned)number(a->v[1], 10);
}

static void try_exec(const char *path, char **argv, int *ret_denied)
{
        execve(path, argv, environment);
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG)
                return;
        if (errno == EACCES || errno == EPERM) {
                *ret_denied = errno;
                return;
        }
        fail(errno, "exec \"%s\": %s", path, errno == ENOEXEC ? "exec format error" : strerror(errno));
}

static void search_path(char **argv, int *ret_denied)
{
        const char *path = env_get("PATH");
        char text[4096 + 256];

        for (const char *p = path ? path : DEFAULT_PATH; p;) {
                size_t n = strcspn(p, ":");

                if (n + strlen(argv[0]) + 3 < sizeof(text)) {
                        memcpy(text, n ? p : ".", n ? n : 1);
                        text[n ? n : 1] = '/';
                        strcpy(text + (n ? n : 1) + 1, argv[0]);
                        try_exec(text, argv, ret_denied);
                }
                p = p[n] ? p + n + 1 : NULL;
        }
}

/* Whether it would be executable by somebody; where the user may not look, only exec can tell. */
static int judge(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return errno == ENOTDIR || errno == ENOENT ? ENOENT : 0;
        return S_ISREG(st.st_mode) && (st.st_mode & 0111) ? 0 : EACCES;
}

/* lookup PROGRAM: what cannot be there at start is an error of create, where engines look for it (runc does
 * so, too). */
static void do_lookup(const struct verb_args *a)
{
        const char *name = a->v[1], *path = env_get("PATH");
        char text[4096 + 256];
        int found = ENOENT;

        if (name[0] == '/') {
                found = judge(name);
                if (found)
                        fail(found, "exec: \"%s\": %s", name,
                                found == ENOENT ? "no such file or directory" : "permission denied");
        }
        if (strchr(name, '/'))
                return; /* from the working directory, which is another one yet */
        for (const char *p = path ? path : DEFAULT_PATH; p && found == ENOENT;) {
                size_t n = strcspn(p, ":");

                if (*p != '/' || n + strlen(name) + 2 >= sizeof(text))
                        return;
                snprintf(text, sizeof(text), "%.*s/%s", (int)n, p, name);
                found = judge(text);
                p = p[n] ? p + n + 1 : NULL;
        }
        if (found == ENOENT)
                fail(ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

static void do_exec(const struct verb_args *a)
{
        static char *empty[] = { NULL };
        char **argv = a->v + 1;
        int denied = 0;

        if (!environment)
                environment = empty;
        if (syscall(SYS_close_range, 3u + keep_fds, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
                for (int fd = (int)(3 + keep_fds); fd < 65536; fd++)
                        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (strchr(argv[0], '/')) {
                try_exec(argv[0], argv, &denied);
                if (!denied)
                        fail(ENOENT, "exec: \"%s\": no such file or directory", argv[0]);
        } else {
                search_path(argv, &denied);
                if (!denied)
                        fail(ENOENT, "exec: \"%s\": executable file not found in $PATH", argv[0]);
        }
        fail(denied, "exec: \"%s\": permission denied", argv[0]);
}

/* ---- the machine */

static const struct verb {
        const char *name;
        uint32_t min, max; /* arguments, the verb itself included */
        void (*run)(const struct verb_args *a);
} verbs[] = {
        { "stdio", 4, 4, do_stdio },
        { "propagation", 2, 2, do_propagation },
        { "domainname", 2, 2, do_domainname },
        { "hostname", 2, 2, do_hostname },
        { "terminal", 6, 6, do_terminal },
        { "wait", 2, 2, do_wait },
        { "session", 1, 1, do_session },
        { "keyring", 2, 2, do_keyring },
        { "umask", 2, 2, do_umask },
        { "label", 4, 4, do_label },
        { "personality", 2, 2, do_personality },
        { "groups", 1, NXC_PLAN_MAX_ARGS, do_groups },
        { "cwd", 2, 2, do_cwd },
        { "caps", 8, 8, do_caps },
        { "no-new-privs", 1, 1, do_no_new_privs },
        { "seccomp", 3, 3, do_seccomp },
        { "env", 1, NXC_PLAN_MAX_ARGS, do_env },
        { "home", 2, 2, do_home },
        { "lookup", 2, 2, do_lookup },
        { "keep-fds", 2, 2, do_keep_fds },
        { "exec", 2, NXC_PLAN_MAX_ARGS, do_exec },
};

static uint32_t take_u32(char **p, size_t *left)
{
        uint32_t n;

        if (*left < sizeof(n))
                fail(EINVAL, "the plan is cut short");
        memcpy(&n, *p, sizeof(n));
        *p += sizeof(n);
        *left -= sizeof(n);
        return n;
}

static void take_record(char **p, size_t *left, struct verb_args *ret)
{
        ret->n = take_u32(p, left);
        if (ret->n == 0 || ret->n > NXC_PLAN_MAX_ARGS)
                fail(EINVAL, "the plan has a record of %u arguments", ret->n);
        ret->v = calloc(ret->n + 1, sizeof(*ret->v));
        ret->len = calloc(ret->n, sizeof(*ret->len));
        if (!ret->v || !ret->len)
                fail(ENOMEM, "read the plan: %s", strerror(ENOMEM));
        for (uint32_t i = 0; i < ret->n; i++) {
                uint32_t len = take_u32(p, left);

                if (len >= *left || (*p)[len] != '\0')
                        fail(EINVAL, "the plan is cut short");
                ret->v[i] = *p;
                ret->len[i] = len;
                *p += len + 1;
                *left -= len + 1;
        }
}

static void run_record(const struct verb_args *a)
{
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                if (strcmp(a->v[0], verbs[i].name) != 0)
                        continue;
                if (a->n < verbs[i].min || a->n > verbs[i].max)
                        fail(EINVAL, "the plan gives %u arguments to '%s'", a->n, a->v[0]);
                verbs[i].run(a);
                return;
        }
        fail(EINVAL, "the plan has an unknown verb '%s'", a->v[0]);
}

static char *load_plan(int fd, size_t *ret_len)
{
        struct stat st;
        char *text;

        if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > NXC_PLAN_MAX_BYTES)
                fail(EINVAL, "the plan is no file of a plan's size");
        text = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED)
                fail(errno, "read the plan: %s", strerror(errno));
        close(fd);
        *ret_len = (size_t)st.st_size;
        return text;
}

static void reset_signals(void)
{
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                sigaction(i, &action, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static int run_plan(int plan_fd)
{
        size_t left;
        char *p;

        fcntl(report_fd, F_SETFD, FD_CLOEXEC);
        reset_signals();
        p = load_plan(plan_fd, &left);
        while (left > 0) {
                struct verb_args record;

                take_record(&p, &left, &record);
                run_record(&record); /* keeps what it likes: the process is replaced soon */
        }
        fail(EINVAL, "the plan has no end");
}

static int wait_as_hook(int fd)
{
        char word = 'h';

        if (write(fd, &word, 1) != 1)
                return 1;
        while (read(fd, &word, 1) < 0)
                if (errno != EINTR)
                        return 1;
        return word == 'g' ? 0 : 1;
}

int main(int argc, char **argv)
{
        if (argc >= 3 && strcmp(argv[1], "hook") == 0)
                return wait_as_hook(atoi(argv[2]));
        if (argc == 4 && strcmp(argv[1], "run") == 0) {
                report_fd = atoi(argv[3]);
                return run_plan(atoi(argv[2]));
        }
        fprintf(stderr, "nexcage-init: run by nexcage only\n");
        return 125;
}
