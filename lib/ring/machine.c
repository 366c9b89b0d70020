/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says about the machine and this boot. */
#include "machine.h"

#include <fcntl.h>
#include <string.h>

#include "codec/text.h"
#include "ground/io.h"

#define FILE_MAX 4096 /* what sysfs says of any of its files */
#define DMI "/sys/class/dmi/id/"

/* As one value of a configuration file: nothing that begins a comment, no blanks around. */
static void read_text(const char *file, char *ret, size_t room)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	struct sr_text text = sr_text_start(ret, room);
	const uint8_t *start;
	size_t size;

	if (sr_read_file(AT_FDCWD, file, FILE_MAX, &content, NULL) < 0)
		return;
	start = content.data;
	size = content.size;
	while (size > 0 && (start[size - 1] == '\n' || start[size - 1] == ' '))
		size--;
	while (size > 0 && *start == ' ') {
		start++;
		size--;
	}
	sr_text_ascii(&text, start, size);
	for (char *c = ret; *c; c++)
		if (*c == '#' || *c == ';')
			*c = '?';
}

void sr_machine_describe(struct sr_baseline *baseline)
{
	const struct {
		const char *file;
		char *to;
		size_t room;
	} table[] = {
		{ "/proc/sys/kernel/random/boot_id", baseline->boot,
		  sizeof(baseline->boot) },
		{ DMI "bios_vendor", baseline->vendor, SR_BASELINE_TEXT },
		{ DMI "bios_version", baseline->version, SR_BASELINE_TEXT },
		{ DMI "bios_date", baseline->date, SR_BASELINE_TEXT },
		{ DMI "product_name", baseline->product, SR_BASELINE_TEXT },
	};

	for (size_t i = 0; i < SR_COUNT(table); i++)
		read_text(table[i].file, table[i].to, table[i].room);
}
