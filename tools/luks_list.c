/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tpm-luks list prints. */
#include "luks_list.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "luks/follow.h"
#include "tool.h"

/* One keyslot of a volume, or a token without one. */
struct row {
	const char *device;
	const char *uuid;
	int slot;
	int token;
	const char *ring;
	const char *id;
	const char *state;
};

struct listing {
	struct sr_store *store;
	struct json_object *array;
	size_t count;
};

static void add_number(struct json_object *object, const char *key, int number)
{
	json_object_object_add(object, key,
			       number < 0 ? NULL : json_object_new_int(number));
}

static void show_json(struct json_object *array, const struct row *row)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "device", row->device);
	json_add_text(object, "uuid", row->uuid);
	add_number(object, "keyslot", row->slot);
	add_number(object, "token", row->token);
	json_add_text(object, "ring", row->ring);
	json_add_text(object, "id", row->id);
	json_add_text(object, "state", row->state);
	json_object_array_add(array, object);
}

static void show(struct listing *listing, const struct row *row)
{
	listing->count++;
	if (listing->array) {
		show_json(listing->array, row);
		return;
	}
	printf("%s: ", row->device ? row->device : row->uuid);
	if (row->slot >= 0)
		printf("keyslot %d: ", row->slot);
	if (row->ring)
		printf("ring %s: ", row->ring);
	puts(row->state);
}

/* The ring of the store that a token belongs to, by its id. */
static int find_ring(struct sr_store *store, const char *id, struct sr_ring **ret)
{
	_cleanup_strv_ char **names = NULL;

	if (sr_store_rings(store, &names, NULL) < 0)
		return -ENOKEY;
	for (char **name = names; *name; name++) {
		_cleanup_ring_ struct sr_ring *ring = NULL;
		struct sr_ring_info info;

		if (sr_ring_load(store, *name, &ring, NULL) == 0 &&
		    sr_ring_info(ring, &info, NULL) == 0 && strcmp(info.id, id) == 0) {
			*ret = take(ring);
			return 0;
		}
	}
	return -ENOKEY;
}

static const char *state_of(struct sr_store *store, const struct sr_token *token)
{
	_cleanup_(sr_ring_parts_done) struct sr_ring_parts parts = { 0 };
	_cleanup_ring_ struct sr_ring *ring = NULL;

	if (!token->assigned)
		return "interrupted";
	if (find_ring(store, token->parts.id, &ring) < 0)
		return "unknown ring";
	if (sr_ring_parts_get(ring, &parts, NULL) < 0)
		return "damaged ring";
	return sr_token_fresh(token, &parts) ? "current" : "outdated";
}

/* A token of ours; -1 where there is none at that number, else its keyslot's bit. */
static int64_t show_token(struct listing *listing, const struct sr_volume *volume, int n,
			  struct row *row)
{
	_cleanup_token_ struct sr_token token = { 0 };
	struct sr_token_recovery mark;
	const char *json;
	int r = sr_volume_token(volume, n, &token, NULL);

	row->token = n;
	if (r == 0) {
		row->slot = token.slot;
		row->ring = token.parts.name;
		row->id = token.parts.id;
		row->state = state_of(listing->store, &token);
	} else if (r == -EBADMSG) {
		row->state = "damaged";
	} else if (crypt_token_json_get(volume->cd, n, &json) >= 0 &&
		   sr_token_recovery_read(json, &mark, NULL) == 0 && mark.slot >= 0) {
		row->slot = mark.slot;
		row->ring = mark.ring;
		row->id = mark.id;
		row->state = "recovery key";
	} else {
		return -1;
	}
	show(listing, row);
	return row->slot < 0 || row->state[0] == 'i' ? 0 : INT64_C(1) << row->slot;
}

static void list_keyslots(struct listing *listing, const struct sr_volume *volume)
{
	int64_t shown = 0;

	for (int n = 0; n < SR_TOKEN_SLOTS; n++) {
		struct row row = { volume->path, volume->uuid, -1, -1, NULL, NULL, NULL };
		int64_t slots = show_token(listing, volume, n, &row);

		shown |= slots < 0 ? 0 : slots;
	}
	for (int slot = 0; slot < SR_TOKEN_SLOTS; slot++) {
		struct row row = { volume->path, volume->uuid, slot,	  -1,
				   NULL,	 NULL,	       "not ours" };

		if (sr_volume_active(volume, slot) && !(shown & INT64_C(1) << slot))
			show(listing, &row);
	}
}

void luks_list_volume(struct sr_store *store, const struct sr_volume *volume,
		      bool as_json)
{
	struct listing listing = { .store = store };

	if (as_json)
		listing.array = json_object_new_array();
	list_keyslots(&listing, volume);
	if (listing.array)
		json_print(listing.array);
}

/* What a volume has of one ring. */
static void list_of_ring(struct listing *listing, const char *uuid,
			 const struct sr_ring_info *ring)
{
	_cleanup_volume_ struct sr_volume *volume = NULL;
	struct row row = { NULL, uuid, -1, -1, ring->name, ring->id, NULL };
	struct sr_err why = { 0 };
	int r = sr_follow_find(listing->store, uuid, &volume, &why);
	bool any = false;

	if (r < 0 && r != -ENOKEY)
		tool_complain(r, &why);
	for (int n = 0; volume && n < SR_TOKEN_SLOTS; n++) {
		_cleanup_token_ struct sr_token token = { 0 };

		if (sr_volume_token(volume, n, &token, NULL) < 0 ||
		    strcmp(token.parts.id, ring->id) != 0)
			continue;
		row.device = volume->path;
		row.slot = token.slot;
		row.token = n;
		row.state = state_of(listing->store, &token);
		show(listing, &row);
		any = true;
	}
	if (any)
		return;
	row.device = volume ? volume->path : NULL;
	row.state = volume ? "not enrolled" : "absent";
	show(listing, &row);
}

const char *luks_list_state(struct sr_store *store, const char *uuid, const char *id,
			    struct sr_err *err)
{
	_cleanup_volume_ struct sr_volume *volume = NULL;
	int r = sr_follow_find(store, uuid, &volume, err);

	if (r < 0)
		return r == -ENOKEY ? "absent" : NULL;
	for (int n = 0; n < SR_TOKEN_SLOTS; n++) {
		_cleanup_token_ struct sr_token token = { 0 };

		if (sr_volume_token(volume, n, &token, NULL) == 0 &&
		    strcmp(token.parts.id, id) == 0)
			return state_of(store, &token);
	}
	return "not enrolled";
}

static int list_ring(struct listing *listing, const char *name, struct sr_err *err)
{
	_cleanup_strv_ char **volumes = NULL;
	_cleanup_ring_ struct sr_ring *ring = NULL;
	struct sr_ring_info info;
	int r = sr_ring_load(listing->store, name, &ring, err);

	if (r == 0)
		r = sr_ring_info(ring, &info, err);
	if (r == 0)
		r = sr_ring_volumes(ring, &volumes, err);
	for (int i = 0; i < r; i++)
		list_of_ring(listing, volumes[i], &info);
	return r < 0 ? r : 0;
}

int luks_list_store(struct sr_store *store, bool as_json, struct sr_err *err)
{
	_cleanup_strv_ char **rings = NULL;
	struct listing listing = { .store = store };
	int r = sr_store_rings(store, &rings, err);

	if (r < 0)
		return r;
	if (as_json)
		listing.array = json_object_new_array();
	for (char **ring = rings; *ring; ring++) {
		struct sr_err why = { 0 };

		r = list_ring(&listing, *ring, &why);
		if (r < 0)
			tool_complain(r, &why);
	}
	if (listing.array)
		json_print(listing.array);
	else if (!listing.count)
		tool_say("no volumes of the rings in %s: tpm-luks enroll DEVICE",
			 sr_store_path(store));
	return 0;
}
