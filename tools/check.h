/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proof that programs of an initramfs image find all they need in it. */
#ifndef CHECK_H
#define CHECK_H

#include "sealring.h"

/**
 * check_file() - start a program of an image, or load a library, in that image
 * @root:	root directory of the image; "/" when this is the image
 * @file:	path in it; one that ends in ".so" is loaded by this program's twin there
 * @err:	says why, on failure
 *
 * The program is run with --version.
 *
 * Returns 0, -EPERM (only root can enter the image) or -EIO.
 */
int check_file(const char *root, const char *file, struct sr_err *err);

#endif
