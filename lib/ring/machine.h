/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says about the machine and this boot. */
#ifndef SR_MACHINE_H
#define SR_MACHINE_H

#include "ground/err.h"

/** sr_machine_describe() - fill in boot id and what SMBIOS says; empty where nothing is */
void sr_machine_describe(struct sr_baseline *baseline);

#endif
