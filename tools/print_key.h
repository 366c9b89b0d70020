/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handing a recovery key to its owner: on the terminal, or in a file. */
#ifndef PRINT_KEY_H
#define PRINT_KEY_H

#include "sealring.h"

/** print_recovery_key() - show it once on the terminal, with a QR code where possible */
int print_recovery_key(const struct sr_secret *key, const char *ring, struct sr_err *err);

/** write_recovery_key() - a new file, 0600, permanent when this returns; -EEXIST and
 * others */
int write_recovery_key(const struct sr_secret *key, const char *file, struct sr_err *err);

#endif
