/* One run of the runtime: its options, its environment, its stdio, its log, its end. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/path.h"
#include "core/process.h"
#include "sys/cgroup.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define LOG_MAX_BYTES (8u << 20) /* with --debug a runtime is talkative */
#define WORDS_KEPT 4096          /* of the stderr of a runtime that died without a log entry */
#define UNIFIED "/sys/fs/cgroup/unified"
#define HOLD_MS 2 /* between looks at the PID file, while signals wait for the container to exist */

/* The rest of our environment is not the runtime's business; what a container gets is in its config.json. */
static const char *const passed_on[] = { "PATH", "HOME", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "LISTEN_FDS",
        "LISTEN_FDNAMES", "DBUS_SESSION_BUS_ADDRESS" };

static int memfd(const char *name, int *ret_fd, char ret_path[64], struct nxc_error *err)
{
        int fd = memfd_create(name, MFD_CLOEXEC);

        if (fd < 0)
                return nxc_fail(err, errno, "make a memory file for the runtime");
        snprintf(ret_path, 64, "/proc/%d/fd/%d", (int)getpid(), fd);
        *ret_fd = fd;
        return 0;
}

int ocicli_document(const json_t *j, int *ret_fd, char ret_path[64], struct nxc_error *err)
{
        _cleanup_free_ char *text = nxc_json_format(j, false);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!text)
                return nxc_oom(err);
        r = memfd("nexcage-document", &fd, ret_path, err);
        if (r < 0)
                return r;
        r = nxc_write_all(fd, text, strlen(text));
        if (r < 0)
                return nxc_fail(err, -r, "write a document for the runtime");
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int ocicli_arg(struct ocicli_call *c, const char *a, const char *b, struct nxc_error *err)
{
        if (nxc_strv_add(&c->argv, a) < 0 || (b && nxc_strv_add(&c->argv, b) < 0))
                return nxc_oom(err);
        return 0;
}

int ocicli_arg_id(struct ocicli_call *c, struct nxc_error *err)
{
        return c->t->id[0] == '-' ? ocicli_arg(c, "--", c->t->id, err) : ocicli_arg(c, c->t->id, NULL, err);
}

int ocicli_argf(struct ocicli_call *c, struct nxc_error *err, const char *fmt, ...)
{
        va_list ap;
        char *text;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&text, fmt, ap);
        va_end(ap);
        return nxc_strv_take(&c->argv, n < 0 ? NULL : text) < 0 ? nxc_oom(err) : 0;
}

int ocicli_call_init(struct ocicli_call *c, const struct ocicli *rt, const struct nxc_backend_target *t,
        const char *verb, struct nxc_error *err)
{
        _cleanup_free_ char *root = nxc_path_join(t->state_dir, "rt");
        char log[64];
        int r;

        *c = (struct ocicli_call)OCICLI_CALL_INIT;
        c->rt = rt;
        c->t = t;
        c->verb = verb;
        if (!root)
                return nxc_oom(err);
        r = memfd("nexcage-runtime-log", &c->log_fd, log, err);
        if (r == 0)
                r = ocicli_arg(c, rt->name, NULL, err);
        if (r == 0)
                r = ocicli_arg(c, "--root", root, err);
        if (r == 0)
                r = ocicli_arg(c, "--log", log, err);
        if (r == 0)
                r = ocicli_arg(c, "--log-format", "json", err);
        if (r == 0 && t->systemd_cgroup)
                r = ocicli_arg(c, "--systemd-cgroup", NULL, err);
        if (r == 0 && t->rootless && c->rt->has_rootless)
                r = ocicli_argf(c, err, "--rootless=%s", t->rootless);
        if (r == 0 && t->debug)
                r = ocicli_arg(c, "--debug", NULL, err);
        return r < 0 ? r : ocicli_arg(c, verb, NULL, err);
}

void ocicli_call_done(struct ocicli_call *c)
{
        nxc_strv_done(&c->argv);
        nxc_closep(&c->log_fd);
}

int ocicli_pass_fds(struct ocicli_call *c, const int stdio[3], int preserve_fds, struct nxc_error *err)
{
        c->passes_stdio = true;
        memcpy(c->stdio, stdio, sizeof(c->stdio));
        c->preserve_fds = preserve_fds + nxc_process_listen_fds();
        if (!nxc_process_may_preserve(c->preserve_fds))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "pass on %d file descriptors: 3 to %d are not all open", c->preserve_fds,
                        2 + c->preserve_fds);
        return preserve_fds > 0 ? ocicli_argf(c, err, "--preserve-fds=%d", preserve_fds) : 0;
}

/* What the child does before it becomes the runtime. */
struct child {
        bool hides_unified;
        char listen_pid[32]; /* "LISTEN_PID=", to be completed; or "" */
};

/* crun refuses a host with both cgroup versions, because it cannot tell which one is in use. In a mount
 * namespace of its own an empty tmpfs lies over the v2 tree, and it takes the host for a v1 one. Only that
 * one mount is made private: others keep their propagation, which rshared volumes need. */
static int hide_unified(void)
{
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, UNIFIED, NULL, MS_PRIVATE, NULL) < 0 ||
                mount("tmpfs", UNIFIED, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=1m") < 0)
                return -errno;
        return 0;
}

/* snprintf is not async-signal-safe by the letter. */
static void append_number(char *text, unsigned n)
{
        char digits[12];
        size_t k = 0, len = strlen(text);

        do
                digits[k++] = (char)('0' + n % 10);
        while (n /= 10);
        while (k > 0)
                text[len++] = digits[--k];
        text[len] = '\0';
}

static int in_child(void *arg)
{
        struct child *child = arg;

        if (child->listen_pid[0])
                append_number(child->listen_pid, (unsigned)getpid());
        return child->hides_unified ? hide_unified() : 0;
}

static int make_environment(
        const struct ocicli_call *c, struct child *child, struct nxc_strv *ret, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(passed_on); i++) {
                const char *value = getenv(passed_on[i]);

                if (!value || (nxc_starts_with(passed_on[i], "LISTEN_") && !nxc_process_listen_fds()))
                        continue;
                if (nxc_strv_addf(ret, "%s=%s", passed_on[i], value) < 0)
                        return nxc_oom(err);
        }
        if (c->passes_stdio && nxc_process_listen_fds())
                strcpy(child->listen_pid, "LISTEN_PID=");
        return 0;
}

static bool is_null_device(int fd)
{
        struct stat st;

        return fd < 0 || (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* ret: what the child gets. null_fd, empty_fd: what has to be closed afterwards. */
static void choose_stdio(const struct ocicli_call *c, int ret[3], int *null_fd, int *empty_fd)
{
        int p[2];

        for (int i = 0; i < 3; i++) {
                ret[i] = c->stdio[i];
                if (!c->rt->owns_stdio || !is_null_device(ret[i]))
                        continue;
                if (*null_fd >= 0 || ocicli_private_null(null_fd) == 0) {
                        ret[i] = *null_fd;
                } else if (i == 0 && pipe2(p, O_CLOEXEC) ==
                                             0) { /* without the right to make a node: as empty as that */
                        close(p[1]);
                        ret[i] = *empty_fd = p[0];
                }
        }
}

static int not_there(const struct ocicli *rt, struct nxc_error *err)
{
        int r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, ENOENT, "find the program '%s'", rt->name);

        nxc_error_hint(err, "%s", rt->install_hint);
        return r;
}

/* Its presence says that a runtime was or is at work here: remove looks for one that outlived us only
 * then. */
static int make_root(const struct nxc_backend_target *t, struct nxc_error *err)
{
        _cleanup_free_ char *root = nxc_path_join(t->state_dir, "rt");

        if (!root)
                return nxc_oom(err);
        if (mkdir(root, 0700) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create '%s'", root);
        return 0;
}

/* A container must not get hold of a writable file of its runtime, so that crun begins by mounting its own
 * file read-only and executing that. With the mount made by us it starts once instead of twice, which is a
 * third of a short call. Where it cannot be made (no mount_setattr(2) before Linux 5.12, no right to it, a
 * script in crun's place, which could not be read through a descriptor that closes) crun does as ever. */
static int clone_program(const struct ocicli *rt, const char *program, int *ret_fd, struct nxc_strv *env)
{
        static const char elf[4] = { 0x7f, 'E', 'L', 'F' };
        _cleanup_close_ int file = -EBADF, clone = -EBADF;
        char magic[sizeof(elf)];

        if (!rt->cloned_variable)
                return 0;
        file = open(program, O_RDONLY | O_CLOEXEC);
        if (file < 0 || read(file, magic, sizeof(magic)) != sizeof(magic) ||
                memcmp(magic, elf, sizeof(elf)) != 0 || nxc_mount_clone(file, true, &clone, NULL) < 0)
                return 0;
        if (nxc_strv_add(env, rt->cloned_variable) < 0)
                return -ENOMEM;
        *ret_fd = TAKE_FD(clone);
        return 0;
}

static int spawn(
        const struct ocicli_call *c, int stderr_fd, pid_t *ret_pid, int *ret_pidfd, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv env = { 0 };
        _cleanup_free_ char *program = NULL;
        _cleanup_close_ int null_fd = -EBADF, empty_fd = -EBADF, clone_fd = -EBADF;
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        struct child child = { .hides_unified = c->makes && c->rt->refuses_hybrid &&
                                                nxc_cgroup_mode() == NXC_CGROUP_HYBRID };
        int fds[3] = { -1, -1, stderr_fd }, r;

        r = nxc_process_find(c->rt->name, &program);
        if (r < 0)
                return r == -ENOMEM ? nxc_oom(err) : not_there(c->rt, err);
        r = make_environment(c, &child, &env, err);
        if (r < 0)
                return r;
        if (c->makes) {
                r = make_root(c->t, err);
                if (r < 0)
                        return r;
        }
        if (clone_program(c->rt, program, &clone_fd, &env) < 0)
                return nxc_oom(err);
        if (c->passes_stdio)
                choose_stdio(c, fds, &null_fd, &empty_fd);
        /* The child completes it in its own copy of our memory. */
        if (child.listen_pid[0] && (nxc_strv_add(&env, "") < 0))
                return nxc_oom(err);
        if (child.listen_pid[0]) {
                free(env.v[env.n - 1]);
                env.v[env.n - 1] = child.listen_pid;
        }
        o.program = program;
        o.program_fd = clone_fd;
        o.argv = (const char *const *)c->argv.v;
        o.envp = (const char *const *)env.v;
        o.stdin_fd = fds[0];
        o.stdout_fd = fds[1];
        o.stderr_fd = fds[2];
        o.preserve_fds = c->preserve_fds;
        if (child.hides_unified || child.listen_pid[0]) {
                o.in_child = in_child;
                o.in_child_arg = &child;
        }
        r = nxc_process_spawn(&o, ret_pid, ret_pidfd, err);
        if (child.listen_pid[0])
                env.v[--env.n] = NULL; /* it is the child struct's own */
        return r < 0 ? nxc_error_set_kind(err, c->rt->error_kind) : 0;
}

static void show(const char *msg)
{
        nxc_debug("runtime: %s", msg);
}

/* To the caller's output, where the runtime should have written it: a terminal is no longer a raw one, and
 * makes
 * "\r\n" of "\n" itself. */
static void pour(int fd, const struct nxc_buf *out)
{
        bool cooked = isatty(fd);

        for (size_t i = 0, n; i < out->len; i += n) {
                const char *cr = cooked ? memmem(out->data + i, out->len - i, "\r\n", 2) : NULL;

                n = (size_t)(cr ? cr - out->data : (ptrdiff_t)out->len) - i;
                if (nxc_write_all(fd, out->data + i, n) < 0)
                        return; /* there is nobody left to read it */
                n += cr != NULL;
        }
}

static int take_spill(const struct ocicli_call *c, const char *text, size_t *len, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf out = { .limit = LOG_MAX_BYTES };

        if (!c->rt->spills_terminal || !c->passes_stdio)
                return 0;
        if (ocicli_log_take_spill(text, len, &out) < 0)
                return nxc_oom(err);
        if (c->stdio[1] >= 0)
                pour(c->stdio[1], &out);
        return 0;
}

static bool has_log(const struct ocicli_call *c)
{
        struct stat st;

        return fstat(c->log_fd, &st) == 0 && st.st_size > 0;
}

static int read_log(const struct ocicli_call *c, struct ocicli_log *ret, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r;

        if (lseek(c->log_fd, 0, SEEK_SET) < 0)
                return nxc_fail(err, errno, "read the log of %s", c->rt->name);
        r = nxc_read_fd(c->log_fd, LOG_MAX_BYTES, &text, &len, err, "the runtime's log");
        if (r == 0)
                r = take_spill(c, text, &len, err);
        if (r < 0)
                return r;
        ocicli_log_parse(text, len, nxc_log_is_debug() ? show : NULL, ret);
        return 0;
}

/* What a runtime writes for a container: its state, its copy of config.json, the seccomp program. */
#define SPACE_NEEDED_BYTES (128u << 10)
#define FILES_NEEDED 16

/* Where its disk is full, crun may say "seccomp_export_bpf: Operation canceled". */
static void hint_at_full_disk(const char *dir, struct nxc_error *err)
{
        struct statvfs fs;

        if (!err || err->hint[0] || statvfs(dir, &fs) < 0)
                return;
        if (fs.f_bavail * fs.f_frsize < SPACE_NEEDED_BYTES || (fs.f_files && fs.f_favail < FILES_NEEDED))
                nxc_error_hint(err, "hardly any space is left on the file system of '%s'", dir);
}

/* The runtime failed: its log says why, else its stderr, else how it ended. */
static int explain(const struct ocicli_call *c, const struct ocicli_log *log, int status, const char *words,
        struct nxc_error *err)
{
        char how[64];
        int r;

        if (WIFSIGNALED(status))
                snprintf(how, sizeof(how), "killed by signal %d", WTERMSIG(status));
        else
                snprintf(how, sizeof(how), "ended with exit status %d", WEXITSTATUS(status));
        r = ocicli_explain(c->rt, c->verb, c->t->id,
                log->error[0]     ? log->error
                : words && *words ? words
                                  : how,
                err);
        hint_at_full_disk(c->t->state_dir, err);
        return r;
}

static int wait_for(pid_t pid, int *ret_status, struct nxc_error *err)
{
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return nxc_fail(err, errno, "wait for the runtime");
        return 0;
}

/* A file, not a pipe: what the runtime leaves behind may keep it open, and nobody has to read along. */
static int words_of(int fd, char ret[WORDS_KEPT])
{
        ssize_t n = pread(fd, ret, WORDS_KEPT - 1, 0);

        ret[n > 0 ? n : 0] = '\0';
        return n > 0;
}

int ocicli_call_run(struct ocicli_call *c, struct nxc_error *err)
{
        _cleanup_close_ int capture = c->passes_stdio ? -EBADF
                                                      : memfd_create("nexcage-runtime-stderr", MFD_CLOEXEC);
        struct ocicli_log log = { 0 };
        char words[WORDS_KEPT] = "";
        int status, r;
        pid_t pid;

        r = spawn(c, capture, &pid, NULL, err);
        if (r == 0)
                r = wait_for(pid, &status, err);
        if (r < 0 || (status == 0 && !nxc_log_is_debug()))
                return r;
        r = read_log(c, &log, err);
        if (r < 0 || status == 0)
                return r;
        if (capture >= 0)
                words_of(capture, words);
        return explain(c, &log, status, words, err);
}

/* All that a terminal or a supervisor may send to a container through us. */
static void forwarded_signals(sigset_t *ret)
{
        static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM,
                SIGCONT, SIGWINCH };

        sigemptyset(ret);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(signals); i++)
                sigaddset(ret, signals[i]);
        for (int s = SIGRTMIN; s <= SIGRTMAX; s++)
                sigaddset(ret, s);
}

struct foreground {
        const char *pid_file;
        pid_t pid;
        int pidfd, signal_fd;
        sigset_t before; /* what had come before the runtime was there to get it from the terminal, too */
        sigset_t held; /* what waits for the container to exist: a runtime that is killed now leaves half of
                          one */
        bool ready;
};

static void release_held(struct foreground *f)
{
        for (int s = 1; s <= SIGRTMAX; s++)
                if (sigismember(&f->held, s) == 1)
                        syscall(SYS_pidfd_send_signal, f->pidfd, s, NULL, 0);
        sigemptyset(&f->held);
}

/* A signal of the terminal's (SI_KERNEL) went to the runtime as well: it is in our process group. */
static void take_signals(struct foreground *f)
{
        struct signalfd_siginfo si;

        while (read(f->signal_fd, &si, sizeof(si)) == sizeof(si)) {
                int s = (int)si.ssi_signo;

                if (s == SIGWINCH)
                        ocicli_pass_winsize(f->pid, f->pidfd);
                if (si.ssi_code == SI_KERNEL && sigismember(&f->before, s) != 1)
                        continue;
                sigdelset(&f->before, s);
                sigaddset(&f->held, s);
        }
}

static bool holds_any(const struct foreground *f)
{
        return !sigisemptyset(&f->held);
}

static int attend(struct foreground *f)
{
        struct pollfd pf[2] = { { .fd = f->pidfd, .events = POLLIN },
                { .fd = f->signal_fd, .events = POLLIN } };

        while (!pf[0].revents) {
                if (poll(pf, 2, holds_any(f) ? HOLD_MS : -1) < 0 && errno != EINTR)
                        return -errno;
                take_signals(f);
                if (!holds_any(f))
                        continue;
                f->ready = f->ready || !f->pid_file || access(f->pid_file, F_OK) == 0;
                if (f->ready)
                        release_held(f);
        }
        return 0;
}

static void unblock(const sigset_t *old)
{
        /* What is still pending was meant for a program that has ended. */
        sigset_t set, pending;
        struct timespec now = { 0 };

        forwarded_signals(&set);
        sigpending(&pending);
        if (!sigisemptyset(&pending))
                while (sigtimedwait(&set, NULL, &now) > 0)
                        ;
        sigprocmask(SIG_SETMASK, old, NULL);
}

int ocicli_call_wait(struct ocicli_call *c, const char *pid_file, int *ret_code, struct nxc_error *err)
{
        struct foreground f = { .pid_file = pid_file };
        _cleanup_close_ int pidfd = -EBADF, signal_fd = -EBADF;
        struct ocicli_log log = { 0 };
        sigset_t set, old;
        int status, r;
        pid_t pid;

        forwarded_signals(&set);
        sigprocmask(SIG_BLOCK, &set, &old);
        signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        sigemptyset(&f.held);
        sigpending(&f.before);
        r = signal_fd < 0 ? nxc_fail(err, errno, "watch for signals") : spawn(c, -1, &pid, &pidfd, err);
        if (r == 0) {
                f.pid = pid;
                f.pidfd = pidfd;
                f.signal_fd = signal_fd;
                r = pidfd < 0 ? -errno : attend(&f);
                if (r < 0)
                        nxc_fail(err, -r, "watch the runtime");
                if (wait_for(pid, &status, err) < 0)
                        r = -ECHILD;
        }
        unblock(&old);
        if (r < 0)
                return r;
        if (status != 0 || has_log(c))
                r = read_log(c, &log, err);
        if (r < 0)
                return r;
        if (status != 0 && (log.error[0] || WIFSIGNALED(status)))
                return explain(c, &log, status, NULL, err);
        *ret_code = WEXITSTATUS(status);
        return 0;
}

int ocicli_version_parse(const char *text, struct ocicli_version *ret)
{
        struct ocicli_version v = { 0 };
        const char *p = strstr(text, " version ");

        if (!p || sscanf(p + strlen(" version "), "%5d.%5d.%5d", &v.major, &v.minor, &v.patch) < 2)
                return -EINVAL;
        *ret = v;
        return 0;
}

int ocicli_version_compare(struct ocicli_version a, struct ocicli_version b)
{
        return a.major != b.major   ? a.major - b.major
               : a.minor != b.minor ? a.minor - b.minor
                                    : a.patch - b.patch;
}

int ocicli_version(
        const struct ocicli *rt, struct ocicli_version *ret, char **ret_text, struct nxc_error *err)
{
        const char *const argv[] = { rt->name, "--version", NULL };
        _cleanup_buf_ struct nxc_buf out = { .limit = WORDS_KEPT };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status, r;

        o.argv = argv;
        o.capture_stdout = &out;
        o.timeout_ms = 10000;
        r = nxc_process_run(&o, &status, err);
        if (r < 0)
                return nxc_error_set_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE);
        if (status != 0 || !out.data || ocicli_version_parse(out.data, ret) < 0)
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0,
                        "ask %s for its version: no answer", rt->name);
        if (ret_text)
                *ret_text = TAKE_PTR(out.data);
        return 0;
}

int ocicli_probe(const struct ocicli *rt, bool full, struct nxc_backend_info *ret, struct nxc_error *err)
{
        _cleanup_free_ char *program = NULL, *text = NULL;
        struct nxc_backend_info info = { 0 };
        struct ocicli_version v;
        int r = nxc_process_find(rt->name, &program);

        if (r < 0)
                return r == -ENOMEM ? nxc_oom(err) : not_there(rt, err);
        snprintf(info.path, sizeof(info.path), "%s", program);
        if (full) {
                r = ocicli_version(rt, &v, &text, err);
                if (r < 0)
                        return r;
                snprintf(info.version, sizeof(info.version), "%d.%d.%d", v.major, v.minor, v.patch);
        }
        if (ret)
                *ret = info;
        return 0;
}
