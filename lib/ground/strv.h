/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NULL-terminated arrays of strings. */
#ifndef SR_STRV_H
#define SR_STRV_H

#include "io.h"

SR_DEFINE_CLEANUP(sr_strv_freep, char **, sr_strv_free)

/** sr_strv_add() - append a copy of @value; @count is kept; 0 or -ENOMEM */
int sr_strv_add(char ***strv, size_t *count, const char *value, struct sr_err *err);

/** sr_names_keep() - drop what is no name of ours: lost+found, an editor's copy */
void sr_names_keep(struct sr_names *names);

/** sr_names_keep_if() - drop what is not @ok */
void sr_names_keep_if(struct sr_names *names, bool (*ok)(const char *name));

/** sr_names_to_strv() - hand the names over; returns how many, or -ENOMEM */
int sr_names_to_strv(struct sr_names *names, char ***ret, struct sr_err *err);

#endif
