/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signal that ends a program: nothing of it stays on the TPM. */
#ifndef ENDING_H
#define ENDING_H

#include <signal.h>
#include <stdbool.h>

/** ending - the number of the signal that the program is to die of; 0 until one came */
extern volatile sig_atomic_t ending;

/**
 * ending_heed() - from now on a signal waits until the program is done with the TPM
 *
 * One that comes a second after the first does not. Daemons, which wait for signals in a loop of
 * their own, and signals that are ignored are left alone.
 */
void ending_heed(void);

/** ending_die() - die of the signal that came, if one did, once everything is released */
void ending_die(void);

#endif
