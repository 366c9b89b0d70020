/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public API of libsealring: secrets sealed by the TPM 2.0 to the boot state. */
#ifndef SEALRING_H
#define SEALRING_H

#include <sealring/base.h>
#include <sealring/boot.h>
#include <sealring/cms.h>
#include <sealring/delivery.h>
#include <sealring/eventlog.h>
#include <sealring/ring.h>
#include <sealring/serve.h>
#include <sealring/sign.h>

#endif
