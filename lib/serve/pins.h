/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PINs and software keys, remembered for a while: each for one key, and for one user. */
#ifndef SR_PINS_H
#define SR_PINS_H

#include "served.h"

#define SR_PINS_MAX 64

/**
 * struct sr_pins - what is remembered: PINs, or the private parts of software keys
 * @seconds:	how long after its last use; 0 for not at all
 * @pin:	some of them empty; typed: it is a PIN, or was opened with one
 */
struct sr_pins {
	unsigned int seconds;
	struct sr_pin {
		struct sr_served *served;
		uid_t uid;
		struct sr_secret value;
		time_t until;
		bool typed;
	} pin[SR_PINS_MAX];
};

/**
 * struct sr_given - a PIN that is there already, or is not: nobody is asked
 * @pin:	empty for none
 * @wanted:	it was asked for
 */
struct sr_given {
	const struct sr_secret *pin;
	bool wanted;
};

/** sr_given_ask() - where it comes from: -EACCES if there is none */
struct sr_ask sr_given_ask(struct sr_given *given);

/** sr_pins_find() - the PIN or key, which counts as a use; NULL if it is not remembered */
const struct sr_secret *sr_pins_find(struct sr_pins *pins, const struct sr_served *served,
				     uid_t uid);

/** sr_pins_free() - the same if it took no PIN: for who does not give one */
const struct sr_secret *sr_pins_free(struct sr_pins *pins, const struct sr_served *served,
				     uid_t uid);

/** sr_pins_keep() - remember one that was right; @pin is empty afterwards */
void sr_pins_keep(struct sr_pins *pins, struct sr_served *served, uid_t uid, bool typed,
		  struct sr_secret *pin);

/** sr_pins_forget() - those of a key, or of all if NULL; of a user */
void sr_pins_forget(struct sr_pins *pins, const struct sr_served *served, uid_t uid);

/** sr_pins_clear() - all of them */
void sr_pins_clear(struct sr_pins *pins);

/**
 * sr_pins_forget_old() - forget those whose time is over
 *
 * Returns when the next one's is (CLOCK_BOOTTIME, seconds); 0 for never.
 */
time_t sr_pins_forget_old(struct sr_pins *pins);

/** sr_pins_typed() - forget those whose time is over; whether one is left that took a PIN */
bool sr_pins_typed(struct sr_pins *pins);

#endif
