/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: keys of the TPM for other programs, over a socket (tpm-sign serve). */
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "ground/attr.h"
#include "serve.h"

static const char *idle_text, *listen_path, *rest_path;
static bool print_socket, no_cache;
static uint64_t idle_seconds = 30;
static sd_event *event;
static sd_event_source *forgetting;
static struct sr_store *store;
static struct sr_server *server;

/* What can be served; the name is FileDescriptorName= in the unit of its socket. */
static struct door {
	const char *name;
	const char *unit;
	const char **path;
	int (*serve)(sd_event *event, struct sr_server *server, int fd,
		     struct sr_err *err);
	bool made;
	bool open;
} doors[] = {
	{ "agent", "tpm-sign-agent.socket", &listen_path, agent_serve, false, false },
	{ "rest", "tpm-sign.socket", &rest_path, rest_serve, false, false },
};

static const struct option_row options[] = {
	{ 0, "listen", OPTION_TEXT, &listen_path, "PATH",
	  "make the ssh-agent's socket here", NULL },
	{ 0, "listen-rest", OPTION_TEXT, &rest_path, "PATH",
	  "make the socket for REST here", NULL },
	{ 0, "idle", OPTION_TEXT, &idle_text, "SECONDS",
	  "end when nobody asked for so long (30)", NULL },
	{ 0, "no-cache", OPTION_FLAG, &no_cache, NULL,
	  "keep no software keys between signatures", NULL },
	{ 0, "print-socket", OPTION_FLAG, &print_socket, NULL,
	  "print the path for SSH_AUTH_SOCK, and end", NULL },
	{ 0 },
};

/* ---- the socket ---- */

static int say_socket(struct sr_err *err)
{
	_cleanup_free_ char *dir = tool_runtime_dir();

	if (!dir)
		return sr_fail(err, -EINVAL,
			       "no place for a socket: XDG_RUNTIME_DIR is not set");
	printf("%s/agent.sock\n", dir);
	return 0;
}

/* One that a killed program left is in the way; one that is served is not ours to take. */
static int remove_stale(int fd, const struct sockaddr_un *address, struct sr_err *err)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		return sr_fail(err, -EEXIST, "%s is in use: end what listens there",
			       address->sun_path);
	(void)unlink(address->sun_path);
	return 0;
}

static int bind_socket(int fd, const struct sockaddr_un *address, struct sr_err *err)
{
	mode_t before = umask(0177);
	int r =
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	(void)umask(before);
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	return r < 0 ? sr_fail_sys(err, -r, "cannot listen on %s", address->sun_path) : 0;
}

static int make_socket(const char *path, int *ret, struct sr_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int probe = -1, fd = -1;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return sr_fail(err, -EINVAL, "%s: too long for a socket", path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0 || fd < 0)
		return sr_fail_sys(err, errno, "cannot make a socket");
	r = remove_stale(probe, &address, err);
	if (r == 0)
		r = bind_socket(fd, &address, err);
	if (r == 0)
		*ret = take_fd(&fd);
	return r;
}

static int open_door(struct door *door, int fd, struct sr_err *err)
{
	int r = door->open
		    ? sr_fail(err, -EINVAL, "two sockets are named \"%s\"", door->name)
		    : door->serve(event, server, fd, err);

	door->open = r == 0;
	return r;
}

static int make_doors(struct sr_err *err)
{
	int fd = -1, r = 0;

	for (size_t i = 0; r == 0 && i < SR_COUNT(doors); i++) {
		struct door *door = &doors[i];

		if (!*door->path)
			continue;
		r = make_socket(*door->path, &fd, err);
		door->made = r == 0;
		if (r == 0)
			r = open_door(door, fd, err);
	}
	return r;
}

static int take_socket(int fd, const char *name, struct sr_err *err)
{
	struct door *door = NULL;
	int r;

	for (size_t i = 0; i < SR_COUNT(doors); i++)
		if (strcmp(doors[i].name, name) == 0)
			door = &doors[i];
	if (!door)
		return sr_fail(err, -EINVAL,
			       "nothing is served on a socket named \"%s\": see "
			       "tpm-sign-agent.socket and tpm-sign.socket",
			       name);
	r = daemon_socket(fd, door->unit, err);
	return r < 0 ? r : open_door(door, fd, err);
}

static int take_sockets(struct sr_err *err)
{
	_cleanup_strv_ char **names = NULL;
	int count = sd_listen_fds_with_names(true, &names), r = 0;

	if (count < 1 && !listen_path && !rest_path)
		return sr_fail(
		    err, -EINVAL,
		    "it is started when somebody asks: systemctl start "
		    "tpm-sign-agent.socket or tpm-sign.socket; or use --listen");
	for (int i = 0; r == 0 && i < count; i++)
		r = take_socket(SD_LISTEN_FDS_START + i, names[i], err);
	return r < 0 ? r : make_doors(err);
}

/* ---- what happens meanwhile ---- */

/* The TPM is others' then, even while somebody is connected. */
static bool on_idle(void)
{
	sr_server_leave(server);
	return serve_clients() == 0 && !sr_server_remembers(server);
}

/* What is remembered ends in time, also when nobody asks for anything. */
static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	(void)arg;
	return 0;
}

/* Not in a source of its own, for which the loop would have to go round once more. */
static int before_waiting(sd_event_source *source, void *arg)
{
	time_t next = sr_server_forget(server);

	(void)arg;
	return sd_event_source_set_time(source,
					next > 0 ? (uint64_t)next * SECOND : UINT64_MAX);
}

static void on_report(void *arg, int r, const struct sr_err *why)
{
	(void)arg;
	tool_report(r, why, NULL);
}

/* ---- beginning and end ---- */

static int start_loop(struct sr_err *err)
{
	const struct daemon_end end = {
		.stop = serve_stop,
		.idle = on_idle,
		.seconds = idle_seconds,
	};
	int r = daemon_loop(&end, &event, err);

	if (r < 0)
		return r;
	r = sd_event_add_time(event, &forgetting, CLOCK_BOOTTIME, UINT64_MAX, 1, on_time,
			      NULL);
	if (r >= 0)
		r = sd_event_source_set_enabled(forgetting, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_source_set_prepare(forgetting, before_waiting);
	return r < 0 ? sr_fail_sys(err, -r, "cannot wait for requests") : 0;
}

/* NULL if there is no place for it. */
static char *diary_path(void)
{
	_cleanup_free_ char *dir = tool_runtime_dir();
	char *path = NULL;

	return dir && asprintf(&path, "%s/tpm-serve.diary", dir) >= 0 ? path : NULL;
}

static int start_server(struct sr_err *err)
{
	struct sr_server_options how = { .no_cache = no_cache, .report = on_report };
	_cleanup_free_ char *diary = diary_path();
	int r = tool_store(&store, err);

	if (r < 0)
		return r;
	how.diary = diary;
	how.store = store;
	how.tcti = tool_tcti(store);
	if (!sr_store_config(store)->encrypt_sessions)
		tool_warn("EncryptSessions=no: what is signed goes to the TPM in the "
			  "clear, and nothing notices when it is changed on the way");
	return sr_server_new(&how, &server, err);
}

static int serve(struct sr_err *err)
{
	int r = start_server(err);

	if (r == 0)
		r = start_loop(err);
	if (r == 0)
		r = serve_start(event, server, err);
	if (r < 0)
		return r;
	watch_start(event, server);
	r = take_sockets(err);
	return r < 0 ? r : daemon_run(event, err);
}

static int run(int argc, char **argv, struct sr_err *err)
{
	int r = idle_text ? sr_number_parse(idle_text, 86400, &idle_seconds, err) : 0;

	(void)argc;
	(void)argv;
	if (r < 0 || print_socket)
		return r < 0 ? r : say_socket(err);
	r = serve(err);
	serve_end();
	watch_end();
	sr_server_free(server);
	sr_store_close(store);
	(void)sd_event_source_disable_unref(forgetting);
	(void)sd_event_unref(event);
	for (size_t i = 0; i < SR_COUNT(doors); i++)
		if (doors[i].made)
			(void)unlink(*doors[i].path);
	return r;
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-serve",
		.usage = "[OPTIONS]",
		.summary = "Keys of the TPM for ssh, git and others: run by "
			   "tpm-sign-agent.socket and\ntpm-sign.socket, or as tpm-sign "
			   "serve.",
		.options = options,
		.run = run,
		.section = 8,
	};

	/* What libraries free has PINs in it, and this program goes on. */
	(void)mallopt(M_PERTURB, 0xff);
	/* As in tpm-sign: OpenSSL must not be told to use keys by way of this program. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	tool_quick_crypto(CRYPTO_CERTIFICATES);
	return tool_main(&tool, argc, argv);
}
