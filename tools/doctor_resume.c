/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: whether the kernel may resume from hibernation, before the latch. */
#include <string.h>

#include "doctor.h"

#define TEXT_MAX 4096 /* of a kernel's command line */

/* The line that a small file of the kernel's has; "" if it is not there. */
static void read_line(const char *name, char ret[TEXT_MAX])
{
	FILE *file = fopen(name, "re");

	if (!file || !fgets(ret, TEXT_MAX, file))
		ret[0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	if (file)
		(void)fclose(file);
}

/* Whether a word is on the command line, alone or with a value. */
static bool has_word(const char *line, const char *word)
{
	size_t length = strlen(word);

	for (; *line; line += strspn(line, " ")) {
		if (strncmp(line, word, length) == 0 && strchr(" =", line[length]))
			return true;
		line += strcspn(line, " ");
	}
	return false;
}

static bool any_latched(struct doctor *doctor)
{
	bool any = false;

	for (char **name = doctor->rings; name && *name && !any; name++) {
		_cleanup_ring_ struct sr_ring *ring = NULL;
		struct sr_ring_info info;

		any = doctor_info(doctor, *name, &ring, &info) && info.latch;
	}
	return any;
}

/* Why the kernel does not; NULL if it does. Locked down, it says of itself "[disabled]". */
static const char *why_not(const char *line)
{
	char disk[TEXT_MAX], lockdown[TEXT_MAX];

	read_line("/sys/power/disk", disk);
	read_line("/sys/kernel/security/lockdown", lockdown);
	if (has_word(line, "noresume"))
		return "noresume is on its command line";
	if (*disk && !strstr(disk, "[disabled]"))
		return NULL;
	if (strstr(lockdown, "[integrity]") || strstr(lockdown, "[confidentiality]"))
		return "it is locked down";
	return "it can't hibernate";
}

void doctor_resume(struct doctor *doctor)
{
	static const char subject[] = "resume";
	char line[TEXT_MAX];
	const char *why;

	if (!any_latched(doctor))
		return;
	read_line("/proc/cmdline", line);
	why = why_not(line);
	if (why)
		doctor_find(doctor, DOCTOR_OK, subject, "",
			    "the kernel does not resume from hibernation: %s", why);
	else
		doctor_find(
		    doctor, has_word(line, "resume") ? DOCTOR_WARN : DOCTOR_NOTE, subject,
		    "where nobody hibernates: noresume or lockdown=integrity on "
		    "the kernel's command line",
		    "the kernel may resume from hibernation, before the latch and "
		    "unmeasured: what somebody put on a swap device that is not "
		    "encrypted would run with the ring open");
}
