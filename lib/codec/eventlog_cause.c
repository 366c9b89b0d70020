/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one likely cause of what changed between two boots, and what to be warned of. */
#include <stdarg.h>
#include <string.h>

#include "eventlog_explain.h"
#include "text.h"

/* What was found among the changes. */
struct findings {
	bool firmware;
	char versions[SR_EVENT_TEXT];
	bool dbx;
	bool dbx_lost;
	char keys[64];
	const char *secure_boot;
	bool authority;
	bool sbat;
	bool locality;
};

static bool in_firmware(uint32_t type)
{
	switch (type) {
	case SR_EV_S_CRTM_CONTENTS:
	case SR_EV_S_CRTM_VERSION:
	case SR_EV_POST_CODE:
	case SR_EV_POST_CODE2:
	case SR_EV_EFI_PLATFORM_FIRMWARE_BLOB:
	case SR_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
	case SR_EV_EFI_HCRTM_EVENT:
		return true;
	default:
		return false;
	}
}

static void find_firmware(const struct sr_change *change, uint32_t type,
			  struct findings *found)
{
	const char *arrow = strstr(change->text, " -> ");

	if (strcmp(change->subject, "startup locality") == 0)
		found->locality = true;
	if (!in_firmware(type))
		return;
	found->firmware = true;
	if (type == SR_EV_S_CRTM_VERSION && change->before && change->after && arrow)
		(void)snprintf(found->versions, sizeof(found->versions), " %.200s",
			       change->text);
}

static void add_key(struct findings *found, const char *name)
{
	size_t used = strlen(found->keys);

	if (strstr(found->keys, name) == NULL)
		(void)snprintf(found->keys + used, sizeof(found->keys) - used, "%s%s",
			       used ? ", " : "", name);
}

static void find_policy(const struct sr_change *change, uint32_t type,
			struct findings *found)
{
	static const char *const keys[] = { "PK", "KEK", "db" };

	if (type == SR_EV_EFI_VARIABLE_AUTHORITY) {
		if (strcmp(change->subject, "authority SbatLevel") == 0)
			found->sbat = true;
		else
			found->authority = true;
	}
	if (type != SR_EV_EFI_VARIABLE_DRIVER_CONFIG)
		return;
	for (size_t i = 0; i < SR_COUNT(keys); i++)
		if (strcmp(change->subject, keys[i]) == 0)
			add_key(found, keys[i]);
	if (strcmp(change->subject, "dbx") == 0) {
		found->dbx = true;
		found->dbx_lost = change->removed > 0;
	}
	if (strcmp(change->subject, "SecureBoot") == 0)
		found->secure_boot = strcmp(change->text, "on -> off") == 0 ? "off"
				     : strcmp(change->text, "off -> on") == 0
					 ? "on"
					 : "to another state";
}

static const uint8_t error_separator[] = { 1, 0, 0, 0 };

/* What is new in the present boot and lowers what the PCRs are worth. */
static const char *find_warning(const struct sr_change *change)
{
	const struct sr_event *event = change->after;

	if (!event)
		return NULL;
	if (event->type == SR_EV_SEPARATOR && event->size == sizeof(error_separator) &&
	    memcmp(event->data, error_separator, event->size) == 0)
		return "the firmware reports an error of its own";
	if (event->type != SR_EV_EFI_ACTION || change->before)
		return NULL;
	if (strcmp(change->subject, "DMA Protection Disabled") == 0)
		return "protection against DMA is off now";
	if (strcmp(change->subject, "UEFI Debug Mode") == 0)
		return "the firmware is in debug mode now";
	return NULL;
}

_printf_(2, 3) static void warn(struct sr_explanation *explanation, const char *fmt, ...)
{
	va_list ap;

	if (explanation->warnings == SR_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(explanation->warning[explanation->warnings++], SR_EVENT_TEXT, fmt,
			ap);
	va_end(ap);
}

static void look_at(struct sr_explanation *explanation, const struct sr_change *change,
		    struct findings *found)
{
	uint32_t type = change->after ? change->after->type : change->before->type;
	const char *warning = find_warning(change);

	if (change->pcr == 0)
		find_firmware(change, type, found);
	if (change->claim)
		warn(explanation,
		     "of %.60s the log shows something else than was measured",
		     change->subject);
	else if (change->pcr == 7)
		find_policy(change, type, found);
	if (warning)
		warn(explanation, "%s (PCR %u)", warning, change->pcr);
}

static void warn_policy(struct sr_explanation *explanation, const struct findings *found)
{
	if (found->secure_boot && strcmp(found->secure_boot, "on") != 0)
		warn(explanation,
		     "Secure Boot is %s now: PCR 7 no longer says what was started",
		     strcmp(found->secure_boot, "off") == 0 ? "off" : "in another state");
	if (found->dbx_lost)
		warn(explanation, "dbx lost entries: what was revoked starts again");
}

/* "a", "a and b", "a, b and c" */
struct causes {
	char text[8][SR_EVENT_TEXT];
	size_t count;
};

_printf_(2, 3) static void add_cause(struct causes *causes, const char *fmt, ...)
{
	va_list ap;

	if (causes->count == SR_COUNT(causes->text))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(causes->text[causes->count++], SR_EVENT_TEXT, fmt, ap);
	va_end(ap);
}

static void firmware_causes(const struct findings *found, struct causes *causes)
{
	if (found->firmware)
		add_cause(causes, "firmware update%s",
			  found->versions[0] ? found->versions
					     : " (the log does not say its version)");
	if (found->locality)
		add_cause(causes, "another startup locality");
	if (found->secure_boot)
		add_cause(causes, "Secure Boot switched %s", found->secure_boot);
	if (found->dbx && !found->dbx_lost)
		add_cause(causes, "a Secure Boot dbx update");
	if (found->dbx && found->dbx_lost)
		add_cause(causes, "another Secure Boot dbx");
	if (found->keys[0])
		add_cause(causes, "other Secure Boot keys (%s)", found->keys);
	if (found->sbat)
		add_cause(causes, "another SBAT level (an update of shim)");
	if (found->authority)
		add_cause(causes, "another signer of what was started");
}

/* What each PCR stands for, where nothing more is known about its events. */
static const struct {
	uint32_t mask;
	const char *cause;
} usual[] = {
	{ 1U << 0, "something else in the firmware's own code" },
	{ 1U << 7, "something else in the Secure Boot policy" },
	{ 1U << 4 | 1U << 8 | 1U << 9,
	  "another boot loader, kernel, initramfs or command line" },
	{ 1U << 11 | 1U << 12 | 1U << 13,
	  "another unified kernel image or what was added to it" },
	{ 1U << 14, "other machine owner keys (MokList, MokListX)" },
	{ 1U << 2 | 1U << 3, "another driver or add-in card" },
	{ 1U << 5, "another partition table or boot loader configuration" },
	{ 1U << 1 | 1U << 6, "another setting of the firmware, or other hardware" },
};

static void usual_causes(uint32_t changed, struct causes *causes)
{
	for (size_t i = 0; i < SR_COUNT(usual); i++)
		if (changed & usual[i].mask)
			add_cause(causes, "%s", usual[i].cause);
}

/* PCRs whose change the logs do account for. */
static uint32_t accounted(const struct sr_explanation *explanation)
{
	uint32_t mask = 0;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		enum sr_verdict verdict = explanation->pcr[pcr].verdict;

		if (explanation->changed & 1U << pcr &&
		    (verdict == SR_VERDICT_LOGGED || verdict == SR_VERDICT_EXPLAINED))
			mask |= 1U << pcr;
	}
	return mask;
}

static uint32_t behind(const struct sr_explanation *explanation)
{
	uint32_t mask = 0;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (explanation->pcr[pcr].verdict == SR_VERDICT_BEHIND)
			mask |= 1U << pcr;
	return mask;
}

/* Firmware and policy come first, and the rest then follows from them. */
static void find_causes(const struct sr_explanation *explanation,
			const struct findings *found, struct causes *causes)
{
	uint32_t changed = accounted(explanation);

	firmware_causes(found, causes);
	if (causes->count == 0)
		usual_causes(changed, causes);
	if (behind(explanation))
		add_cause(causes,
			  "something that was measured after the log was written, or "
			  "the log of another boot (hibernation, kexec); no update");
}

void sr_explanation_conclude(struct sr_explanation *explanation)
{
	struct sr_text text = SR_TEXT(explanation->cause);
	struct findings found = { 0 };
	struct causes causes = { 0 };

	/* Where the log of now is another boot's, a PCR may be what it was all the same. */
	for (size_t i = 0; i < explanation->count; i++)
		if (explanation->changed & 1U << explanation->change[i].pcr)
			look_at(explanation, &explanation->change[i], &found);
	warn_policy(explanation, &found);
	find_causes(explanation, &found, &causes);
	for (size_t i = 0; i < causes.count; i++)
		sr_text_add(&text, "%s%s",
			    i == 0		    ? ""
			    : i + 1 == causes.count ? " and "
						    : ", ",
			    causes.text[i]);
}
