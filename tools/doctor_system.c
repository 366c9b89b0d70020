/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: what the system around it has to give: locked memory, units. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "doctor.h"

#define BESIDE 65536 /* keys, PIN, and what else a program locks beside a secret */

extern char **environ;

/* An envelope is little larger than its secret. */
static size_t largest(struct doctor *doctor)
{
	size_t max = 0;

	for (char **name = doctor->rings; name && *name; name++) {
		_cleanup_ring_ struct sr_ring *ring = NULL;
		_cleanup_strv_ char **secrets = NULL;

		if (sr_ring_load(doctor->store, *name, &ring, NULL) < 0 ||
		    sr_ring_secrets(ring, &secrets, NULL) < 0)
			continue;
		for (char **secret = secrets; *secret; secret++) {
			char path[PATH_MAX];
			struct stat st;

			(void)snprintf(path, sizeof(path), "%s/rings/%s/secrets/%s.cms",
				       sr_store_path(doctor->store), *name, *secret);
			if (stat(path, &st) == 0 && (size_t)st.st_size > max)
				max = (size_t)st.st_size;
		}
	}
	return max < SR_SECRET_MAX ? max : SR_SECRET_MAX;
}

/* Tried, as who may go beyond the limit depends on more than its number. */
void doctor_memory(struct doctor *doctor)
{
	size_t need = largest(doctor) + BESIDE;
	struct rlimit limit = { 0 };
	void *memory =
	    mmap(NULL, need, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool locked = memory != MAP_FAILED && mlock(memory, need) == 0;

	if (memory != MAP_FAILED)
		(void)munmap(memory, need);
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (locked)
		doctor_find(doctor, DOCTOR_OK, "locked memory", "",
			    "%zu kB can be had for secrets", need / 1024);
	else
		doctor_find(doctor, DOCTOR_WARN, "locked memory",
			    "raise ulimit -l; in a unit, LimitMEMLOCK=",
			    "of %zu kB for the largest secret the limit of %llu kB lets "
			    "not all be locked: it may be swapped",
			    need / 1024, (unsigned long long)limit.rlim_cur / 1024);
}

/* First word that systemctl prints; false if there is no such program. */
static bool ask_systemctl(const char *unit, char *ret, size_t room)
{
	const char *argv[] = { "systemctl", "is-enabled", unit, NULL };
	posix_spawn_file_actions_t actions;
	int fd[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t child;
	bool started;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return false;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fd[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
					       O_WRONLY, 0);
	started =
	    posix_spawnp(&child, argv[0], &actions, NULL, (char **)argv, environ) == 0;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fd[1]);
	while (started && used < room - 1 &&
	       (n = read(fd[0], ret + used, room - 1 - used)) > 0)
		used += (size_t)n;
	(void)close(fd[0]);
	ret[used] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return started && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       ret[0];
}

bool doctor_check_socket(struct doctor *doctor, const struct doctor_socket *socket,
			 bool missed)
{
	enum doctor_level bad = missed ? DOCTOR_FAIL : DOCTOR_NOTE;
	char state[64], path[PATH_MAX], remedy[DOCTOR_REMEDY];
	struct stat st;

	if (!ask_systemctl(socket->unit, state, sizeof(state))) {
		doctor_find(doctor, DOCTOR_NOTE, socket->unit, "",
			    "systemctl does not say whether it is enabled");
		return false;
	}
	if (strncmp(state, "enabled", 7) != 0 && strcmp(state, "static") != 0) {
		(void)snprintf(remedy, sizeof(remedy), "systemctl %s %s",
			       strcmp(state, "masked") == 0 ? "unmask" : "enable --now",
			       socket->unit);
		doctor_find(doctor, bad, socket->unit, remedy, "is %s: %s", state,
			    missed ? socket->missed : socket->unused);
		return false;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", doctor->runtime_dir, socket->file);
	(void)snprintf(remedy, sizeof(remedy), "systemctl start %s", socket->unit);
	if (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		doctor_find(doctor, errno == EACCES ? DOCTOR_NOTE : bad, socket->unit,
			    remedy, "is %s, but there is no socket at %s", state, path);
	else
		doctor_find(doctor, DOCTOR_OK, socket->unit, "", "is %s, and listens",
			    state);
	return true;
}

/* Who is missing it: services that secrets.d gives something, or nobody. */
void doctor_units(struct doctor *doctor)
{
	static const struct doctor_socket credential = {
		.unit = "tpm-credential.socket",
		.file = "credential.sock",
		.missed = "services do not get what secrets.d has for them",
		.unused = "services get nothing from it",
	};

	if (tool_is_system())
		(void)doctor_check_socket(doctor, &credential, doctor->sees_units);
}
