/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PINs and software keys, remembered for a while: each for one key, and for one user. */
#include "pins.h"

#include "ground/clock.h"

static void forget(struct sr_pin *pin)
{
	sr_secret_done(&pin->value);
	sr_served_drop(take(pin->served));
}

static void forget_old(struct sr_pins *pins)
{
	time_t time = sr_clock();

	for (size_t i = 0; i < SR_PINS_MAX; i++)
		if (pins->pin[i].served && pins->pin[i].until <= time)
			forget(&pins->pin[i]);
}

static int give(void *arg, const char *name, struct sr_secret *ret, struct sr_err *err)
{
	struct sr_given *given = arg;

	(void)name;
	given->wanted = true;
	return given->pin->size > 0
		   ? sr_secret_copy(given->pin->data, given->pin->size, ret, err)
		   : sr_fail(err, -EACCES, "it takes a PIN, and none was given");
}

struct sr_ask sr_given_ask(struct sr_given *given)
{
	return (struct sr_ask){ .pin = give, .arg = given };
}

static struct sr_pin *find(struct sr_pins *pins, const struct sr_served *served,
			   uid_t uid)
{
	forget_old(pins);
	for (size_t i = 0; i < SR_PINS_MAX; i++)
		if (pins->pin[i].served == served && pins->pin[i].uid == uid)
			return &pins->pin[i];
	return NULL;
}

static const struct sr_secret *use(const struct sr_pins *pins, struct sr_pin *pin)
{
	if (!pin)
		return NULL;
	pin->until = sr_clock() + pins->seconds;
	return &pin->value;
}

const struct sr_secret *sr_pins_find(struct sr_pins *pins, const struct sr_served *served,
				     uid_t uid)
{
	return use(pins, find(pins, served, uid));
}

const struct sr_secret *sr_pins_free(struct sr_pins *pins, const struct sr_served *served,
				     uid_t uid)
{
	struct sr_pin *pin = find(pins, served, uid);

	return pin && pin->typed ? NULL : use(pins, pin);
}

/* Without a place left, the one whose time is over first makes room. */
static struct sr_pin *find_place(struct sr_pins *pins)
{
	struct sr_pin *place = &pins->pin[0];

	for (size_t i = 0; i < SR_PINS_MAX; i++) {
		if (!pins->pin[i].served)
			return &pins->pin[i];
		if (pins->pin[i].until < place->until)
			place = &pins->pin[i];
	}
	forget(place);
	return place;
}

void sr_pins_keep(struct sr_pins *pins, struct sr_served *served, uid_t uid, bool typed,
		  struct sr_secret *pin)
{
	struct sr_pin *place;

	if (pins->seconds == 0 || sr_pins_find(pins, served, uid)) {
		sr_secret_done(pin);
		return;
	}
	place = find_place(pins);
	place->served = sr_served_hold(served);
	place->uid = uid;
	place->until = sr_clock() + pins->seconds;
	place->typed = typed;
	sr_secret_take(pin, &place->value);
}

void sr_pins_forget(struct sr_pins *pins, const struct sr_served *served, uid_t uid)
{
	for (size_t i = 0; i < SR_PINS_MAX; i++) {
		struct sr_pin *pin = &pins->pin[i];

		if (pin->served && pin->uid == uid && (!served || pin->served == served))
			forget(pin);
	}
}

void sr_pins_clear(struct sr_pins *pins)
{
	for (size_t i = 0; i < SR_PINS_MAX; i++)
		if (pins->pin[i].served)
			forget(&pins->pin[i]);
}

time_t sr_pins_forget_old(struct sr_pins *pins)
{
	time_t end = 0;

	forget_old(pins);
	for (size_t i = 0; i < SR_PINS_MAX; i++)
		if (pins->pin[i].served && (end == 0 || pins->pin[i].until < end))
			end = pins->pin[i].until;
	return end;
}

bool sr_pins_typed(struct sr_pins *pins)
{
	forget_old(pins);
	for (size_t i = 0; i < SR_PINS_MAX; i++)
		if (pins->pin[i].served && pins->pin[i].typed)
			return true;
	return false;
}
