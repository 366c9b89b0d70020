/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the initramfs knows of earlier boots. */
#ifndef SR_EARLY_H
#define SR_EARLY_H

#include "sealring.h"

/** sr_early_fill() - put into an image what sr_ring_cause() needs; 0, -ENOMEM or -EIO. A
 * baseline that can't be read is as good as none */
int sr_early_fill(struct sr_store *store, const char *root, struct sr_err *err);

#endif
