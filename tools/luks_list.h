/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tpm-luks list prints. */
#ifndef LUKS_LIST_H
#define LUKS_LIST_H

#include "luks/volume.h"

/** luks_list_volume() - the keyslots of a volume, and whose they are */
void luks_list_volume(struct sr_store *store, const struct sr_volume *volume,
		      bool as_json);

/** luks_list_store() - the volumes of all rings */
int luks_list_store(struct sr_store *store, bool as_json, struct sr_err *err);

/**
 * luks_list_state() - how a volume of a ring stands
 * @store:	the store
 * @uuid:	the volume
 * @id:		the ring's
 * @err:	says why that can't be told
 *
 * Returns the word that tpm-luks list prints, or NULL.
 */
const char *luks_list_state(struct sr_store *store, const char *uuid, const char *id,
			    struct sr_err *err);

#endif
