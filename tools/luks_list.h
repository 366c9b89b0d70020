/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tpm-luks list prints. */
#ifndef LUKS_LIST_H
#define LUKS_LIST_H

#include "sealring.h"

/** luks_list_device() - the keyslots of a device, and whose they are */
int luks_list_device(struct sr_store *store, const char *device, bool as_json,
		     struct sr_err *err);

/** luks_list_store() - the volumes of all rings */
int luks_list_store(struct sr_store *store, bool as_json, struct sr_err *err);

#endif
