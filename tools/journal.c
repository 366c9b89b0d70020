/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages in the journal, with what they are about as fields. */
/*
 * The protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) is a datagram of KEY=VALUE lines, and
 * stable. libsystemd would add 4 % to the instructions of tpm-unseal, be one library more
 * in each initramfs, and silently drop what no journal is there for.
 */
#include "journal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ground/attr.h"
#include "tool.h"

#define SOCKET RUNSTATEDIR "/systemd/journal/socket"

struct datagram {
	char data[8192];
	size_t used;
};

/* Never changed, and explained in sealring.catalog. What is not here has the last. */
static const struct {
	int number;
	const char *id;
} ids[] = {
	{ EINVAL, "319574b8e3d742c396402e1260470c09" },
	{ EKEYREJECTED, "d1de7e233ca447e18a1bb4fd7f6d8243" },
	{ EACCES, "4b24e375245c4133930fd2a89b845755" },
	{ EBUSY, "c710e41e12cc473bbe58670eb298ddd5" },
	{ ENODEV, "8f164a55f77944f88978ed01118dbbda" },
	{ EREMOTE, "33e8aebab8e44f93b01b78d8e19a21e0" },
	{ EBADMSG, "16a5023e75a743e79058a797db210d7c" },
	{ EUCLEAN, "16a5023e75a743e79058a797db210d7c" },
	{ ENOKEY, "741da168074d4d3ea8e66454cc454f78" },
	{ EEXIST, "7f05e4acf79f492d993843d65f0038b8" },
	{ EPERM, "bfbd5d4e5de94dccb412fd98ec8936af" },
	{ 0, "f7c4379dae7043c5a086f84cb9c75fb8" },
};

static const char *message_id(int r)
{
	size_t i = 0;

	while (ids[i].number && ids[i].number != -r)
		i++;
	return ids[i].id;
}

/* A value ends with its line, so it has to be one; what is too long is cut. */
static void __attribute__((format(printf, 3, 4)))
add(struct datagram *datagram, const char *key, const char *fmt, ...)
{
	char *at = datagram->data + datagram->used, *newline;
	size_t room = sizeof(datagram->data) - datagram->used, head, size;
	va_list ap;

	head = (size_t)snprintf(at, room, "%s=", key);
	if (head + 2 > room)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(at + head, room - head - 1, fmt, ap);
	va_end(ap);
	while ((newline = strchr(at, '\n')))
		*newline = ' ';
	size = strlen(at);
	at[size] = '\n';
	datagram->used += size + 1;
}

static void add_text(struct datagram *datagram, const char *key, const char *value)
{
	if (value[0])
		add(datagram, key, "%s", value);
}

static void add_pcrs(struct datagram *datagram, uint32_t pcrs)
{
	char list[96] = "";
	size_t used = 0;

	for (unsigned int pcr = 0; pcr < 24; pcr++)
		if (pcrs & 1U << pcr)
			used += (size_t)snprintf(list + used, sizeof(list) - used,
						 used ? "+%u" : "%u", pcr);
	add_text(datagram, "SEALRING_PCRS", list);
}

static void add_failure(struct datagram *datagram, int r, const struct sr_err *err)
{
	add(datagram, "MESSAGE_ID", "%s", message_id(r));
	add(datagram, "ERRNO", "%d", -r);
	add(datagram, "SEALRING_EXIT_STATUS", "%d", tool_status(r));
	add_text(datagram, "SEALRING_RING", err->ring);
	add_text(datagram, "SEALRING_SECRET", err->secret);
	add_pcrs(datagram, err->pcrs);
	if (err->tss)
		add(datagram, "SEALRING_TSS", "0x%x", err->tss);
}

static void compose(const struct journal_entry *entry, struct datagram *ret)
{
	add(ret, "PRIORITY", "%d", entry->priority);
	add(ret, "SYSLOG_IDENTIFIER", "%s", entry->program);
	if (entry->request) {
		add_text(ret, "SEALRING_UNIT", entry->request->unit);
		add_text(ret, "SEALRING_CREDENTIAL", entry->request->credential);
	}
	if (entry->r < 0)
		add_failure(ret, entry->r, entry->err);
	add(ret, "MESSAGE", "%s", entry->text);
}

/* As systemd.exec(5) has it. The variables are inherited, the descriptor may not be. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

static bool systemd_started_us(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");

	return pid && strtoul(pid, NULL, 10) == (unsigned long)getpid();
}

/* The socket beside the one that standard error is connected to: services may have a
 * journal of their own (LogNamespace=). */
static void find_socket(struct sockaddr_un *ret)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address) - 1;
	char *slash;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = SOCKET };
	if (getpeername(STDERR_FILENO, (struct sockaddr *)&address, &size) < 0 ||
	    address.sun_family != AF_UNIX || address.sun_path[0] != '/')
		return;
	slash = strrchr(address.sun_path, '/');
	if (strcmp(slash, "/stdout") != 0)
		return;
	memcpy(slash, "/socket", sizeof("/socket"));
	*ret = address;
}

static bool send_to(const struct sockaddr_un *address, const struct datagram *datagram)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && sendto(fd, datagram->data, datagram->used, MSG_NOSIGNAL,
				 (const struct sockaddr *)address, sizeof(*address)) >= 0;
}

bool journal_write(const struct journal_entry *entry)
{
	bool is_journal = stderr_is_journal();
	struct datagram datagram = { 0 };
	struct sockaddr_un address;

	if (!is_journal && !(systemd_started_us() && tool_is_terminal()))
		return false;
	compose(entry, &datagram);
	find_socket(&address);
	return send_to(&address, &datagram) && is_journal;
}
