/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The LUKS volumes whose headers carry a ring's approvals. */
#include <ctype.h>
#include <string.h>

#include "ring.h"

int sr_volume_parse(const char *text, char ret[SR_UUID_TEXT], struct sr_err *err)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	bool good = strlen(text) == sizeof(shape) - 1;

	for (size_t i = 0; good && shape[i]; i++) {
		good =
		    shape[i] == 'x' ? isxdigit((unsigned char)text[i]) : text[i] == '-';
		ret[i] = (char)tolower((unsigned char)text[i]);
	}
	ret[SR_UUID_TEXT - 1] = '\0';
	return good ? 0 : sr_fail(err, -EINVAL, "\"%.64s\" is not a UUID", text);
}

int sr_ring_volumes(const struct sr_ring *ring, char ***ret, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **copy = calloc(1, sizeof(*copy));
	size_t count = 0;

	if (!copy)
		return sr_fail_memory(err);
	for (size_t i = 0; i < ring->volume_count; i++)
		if (sr_strv_add(&copy, &count, ring->volumes[i], err) < 0)
			return -ENOMEM;
	*ret = take(copy);
	return (int)count;
}

static char **find(const struct sr_ring *ring, const char *uuid)
{
	for (size_t i = 0; i < ring->volume_count; i++)
		if (strcmp(ring->volumes[i], uuid) == 0)
			return &ring->volumes[i];
	return NULL;
}

int sr_ring_volume_add(struct sr_ring *ring, const char *uuid, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	char text[SR_UUID_TEXT];
	int r = sr_volume_parse(uuid, text, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r < 0 || find(ring, text))
		return r;
	if (ring->volume_count >= SR_VOLUMES_MAX)
		return sr_fail(err, -EINVAL, "ring %s: more than %d volumes", ring->name,
			       SR_VOLUMES_MAX);
	r = sr_strv_add(&ring->volumes, &ring->volume_count, text, err);
	return r < 0 ? r : sr_ring_save(ring, err);
}

int sr_ring_volume_remove(struct sr_ring *ring, const char *uuid, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	char text[SR_UUID_TEXT], **at;
	int r = sr_volume_parse(uuid, text, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r < 0)
		return r;
	at = find(ring, text);
	if (!at)
		return sr_fail(err, -ENOKEY, "volume %s does not belong to ring %s", text,
			       ring->name);
	free(*at);
	ring->volume_count--;
	memmove(at, at + 1,
		(size_t)(&ring->volumes[ring->volume_count] - at + 1) * sizeof(*at));
	return sr_ring_save(ring, err);
}
