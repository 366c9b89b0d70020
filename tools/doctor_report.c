/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Findings of tpm-doctor: kept, and shown as lines or JSON. */
#include <stdarg.h>
#include <string.h>

#include "doctor.h"
#include "json.h"

static const char *const level_names[DOCTOR_LEVELS] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_NOTE] = "note",
	[DOCTOR_WARN] = "warn",
	[DOCTOR_FAIL] = "FAIL",
};

/* Names of files and texts of others are in it: nothing may reach the terminal raw. */
static void escape(const char *text, char *ret, size_t room)
{
	size_t used = 0;

	for (; *text && used + 5 < room; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c < 0x7f)
			ret[used++] = *text;
		else
			used += (size_t)snprintf(ret + used, room - used, "\\x%02x", c);
	}
	ret[used] = '\0';
}

/* Several checks load the same ring, and each that can't says so. */
static bool said_before(const struct doctor *doctor, const struct doctor_finding *finding)
{
	for (size_t i = 0; i < doctor->count; i++)
		if (strcmp(doctor->finding[i].subject, finding->subject) == 0 &&
		    strcmp(doctor->finding[i].finding, finding->finding) == 0)
			return true;
	return false;
}

void doctor_find(struct doctor *doctor, enum doctor_level level, const char *subject,
		 const char *remedy, const char *fmt, ...)
{
	struct doctor_finding *larger, *finding;
	char text[sizeof(finding->finding)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	larger = reallocarray(doctor->finding, doctor->count + 1, sizeof(*larger));
	if (!larger) {
		doctor->no_memory = true;
		return;
	}
	doctor->finding = larger;
	finding = &larger[doctor->count];
	finding->level = level;
	escape(subject, finding->subject, sizeof(finding->subject));
	escape(text, finding->finding, sizeof(finding->finding));
	escape(remedy, finding->remedy, sizeof(finding->remedy));
	doctor->count += !said_before(doctor, finding);
}

void doctor_fail(struct doctor *doctor, const char *subject, const struct sr_err *err)
{
	doctor_find(doctor, DOCTOR_FAIL, subject, "", "%s", err->text);
}

enum doctor_level doctor_worst(const struct doctor *doctor)
{
	enum doctor_level worst = DOCTOR_OK;

	for (size_t i = 0; i < doctor->count; i++)
		if (doctor->finding[i].level > worst)
			worst = doctor->finding[i].level;
	return worst;
}

/* Colours of terminals, where text may be bold. */
static const char *color(enum doctor_level level)
{
	static const char *const colors[DOCTOR_LEVELS] = {
		[DOCTOR_OK] = "\033[32m",
		[DOCTOR_NOTE] = "\033[36m",
		[DOCTOR_WARN] = "\033[33m",
		[DOCTOR_FAIL] = "\033[1;31m",
	};

	return *tool_bold(true, STDOUT_FILENO) ? colors[level] : "";
}

void doctor_print(const struct doctor *doctor, bool quiet)
{
	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->finding[i];

		if (quiet && finding->level < DOCTOR_WARN)
			continue;
		printf("%s%-4s%s  %s: %s%s%s\n", color(finding->level),
		       level_names[finding->level], tool_bold(false, STDOUT_FILENO),
		       finding->subject, finding->finding, *finding->remedy ? ": " : "",
		       finding->remedy);
	}
}

void doctor_print_json(const struct doctor *doctor)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_finding *finding = &doctor->finding[i];
		struct json_object *object = json_object_new_object();

		json_add_text(object, "level", level_names[finding->level]);
		json_add_text(object, "subject", finding->subject);
		json_add_text(object, "finding", finding->finding);
		json_add_text(object, "remedy",
			      *finding->remedy ? finding->remedy : NULL);
		json_object_array_add(array, object);
	}
	json_print(array);
}
