/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server did, in the text form of Prometheus. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include "sealring.h"

/** metrics_text() - all counts; release with free(), NULL without memory */
char *metrics_text(const struct sr_server *server);

#endif
